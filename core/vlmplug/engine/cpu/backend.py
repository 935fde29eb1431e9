"""lmdeploy's table of operators for the CPU: its own plain PyTorch ones where they exist, ours for the rest."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lmdeploy.pytorch.backends.activation import GeluAndMulBuildSpec, SiluAndMulBuildSpec
from lmdeploy.pytorch.backends.apply_rotary_emb import ApplyRotaryEmbBuildSpec
from lmdeploy.pytorch.backends.attention import PagedAttentionBuildSpec
from lmdeploy.pytorch.backends.awq_modules import LinearW4A16BuildSpec
from lmdeploy.pytorch.backends.default import DefaultOpsBackend
from lmdeploy.pytorch.backends.embedding import EmbeddingBuildSpec
from lmdeploy.pytorch.backends.flash_attention import FlashAttentionBuildSpec
from lmdeploy.pytorch.backends.linear import LinearBuildSpec
from lmdeploy.pytorch.backends.multinomial_sampling import MultinomialSamplingBuildSpec
from lmdeploy.pytorch.backends.norm import LayerNormBuildSpec, RMSNormBuildSpec
from lmdeploy.pytorch.backends.rotary_embedding import RotaryEmbeddingBuildSpec

from vlmplug.engine.cpu.attention import CpuAttention, CpuFlashAttention
from vlmplug.engine.cpu.awq import CpuLinearW4A16
from vlmplug.engine.cpu.metadata import CpuAttentionMetadata, build_metadata
from vlmplug.engine.cpu.rotary import build_rotary
from vlmplug.engine.cpu.sampling import CpuMultinomialSampling
from vlmplug.errors import EngineOptionError

_OURS: dict[type, Callable[[Any], object]] = {
    PagedAttentionBuildSpec: CpuAttention,
    FlashAttentionBuildSpec: CpuFlashAttention,
    LinearW4A16BuildSpec: CpuLinearW4A16,
    RotaryEmbeddingBuildSpec: build_rotary,
    MultinomialSamplingBuildSpec: lambda spec: CpuMultinomialSampling(),
}
_THEIRS = (
    ApplyRotaryEmbBuildSpec,
    EmbeddingBuildSpec,
    GeluAndMulBuildSpec,
    LayerNormBuildSpec,
    LinearBuildSpec,
    RMSNormBuildSpec,
    SiluAndMulBuildSpec,
)


class CpuOpsBackend(DefaultOpsBackend):  # type: ignore[misc]
    """The operators of dense language models and of vision towers, without experts, adapters or weights in 8 bits."""

    @staticmethod
    def get_name() -> str:
        """``cpu``."""
        return "cpu"

    @classmethod
    def build_op(cls, spec: Any, *, enable_deterministic: bool = False) -> Any:
        """Build one operator.

        :raises EngineOptionError: the model needs an operator that the CPU device does not offer.
        """
        ours = _OURS.get(type(spec))
        if ours is not None:
            return ours(spec)
        if isinstance(spec, _THEIRS):
            return super().build_op(spec, enable_deterministic=enable_deterministic)
        raise EngineOptionError(
            f"device=cpu does not offer the operator {type(spec).__name__.removesuffix('BuildSpec')}, which this model "
            "needs: it runs dense language models without experts, adapters or weights in 8 bits.",
            'Use device="cuda".',
        )

    @staticmethod
    def get_attention_metadata_cls() -> type[CpuAttentionMetadata]:
        """The class that :meth:`update_step_context` puts into the step context."""
        return CpuAttentionMetadata

    @classmethod
    def update_step_context(cls, step_context: Any) -> Any:
        """Put the attention metadata of this forward into lmdeploy's ``StepContext``."""
        step_context.attn_metadata = build_metadata(step_context)
        return step_context

    @staticmethod
    def ccl_backend() -> str:
        """The name of PyTorch's collective library for this device."""
        return "gloo"

    @staticmethod
    def device_count() -> int:
        """One: all cores together."""
        return 1
