"""The official language model as transformers has it (``GlmForCausalLM``), without a cache and without batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from safetensors.torch import load_file
from torch import Tensor
from transformers import GlmConfig, GlmForCausalLM

from vlmplug.engine.tower import load_tower
from vlmplug.model import EngineInput, FamilyModel

#: Official names -> transformers', but for the fused query, key and value.
RENAMED = (
    ("transformer.embedding.word_embeddings", "model.embed_tokens"),
    ("transformer.output_layer", "lm_head"),
    ("transformer.encoder.final_layernorm", "model.norm"),
    ("transformer.encoder.layers", "model.layers"),
    ("self_attention.dense", "self_attn.o_proj"),
    ("mlp.dense_h_to_4h", "mlp.gate_up_proj"),
    ("mlp.dense_4h_to_h", "mlp.down_proj"),
)


class NativeModel:
    """Tower and language model of a checkpoint, one token after the other, everything computed again for each."""

    def __init__(self, model: FamilyModel) -> None:
        self.text, self.tower = model.text_config, load_tower(model)
        self.language = GlmForCausalLM(self._config()).float().eval()
        weights = load_file(model.folder / "model.safetensors")
        state = {name: tensor for pair in weights.items() for name, tensor in self._renamed(*pair)}
        missing, unexpected = self.language.load_state_dict(state, strict=False)
        assert not unexpected and all(name.endswith("inv_freq") for name in missing), (missing, unexpected)

    def _config(self) -> GlmConfig:
        text = self.text
        shared = ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "vocab_size")
        return GlmConfig(
            **{name: text[name] for name in (*shared, "num_key_value_heads", "head_dim", "rope_parameters")},
            rms_norm_eps=text["layernorm_epsilon"],
            attention_bias=text["add_qkv_bias"],
            partial_rotary_factor=0.5,
            tie_word_embeddings=False,
            max_position_embeddings=4096,
            pad_token_id=None,
            eos_token_id=None,
        )

    def _renamed(self, name: str, tensor: Tensor) -> Iterator[tuple[str, Tensor]]:
        if name.startswith("transformer.vision.") or name.endswith("inv_freq"):
            return
        for official, own in RENAMED:
            name = name.replace(official, own)
        if "query_key_value" not in name:
            yield name, tensor
            return
        query, key = (
            self.text[heads] * self.text["head_dim"] for heads in ("num_attention_heads", "num_key_value_heads")
        )
        for part, piece in zip("qkv", tensor.split([query, key, key]), strict=True):
            yield name.replace("self_attention.query_key_value", f"self_attn.{part}_proj"), piece

    @torch.inference_mode()
    def logits(self, prompt: EngineInput, answer: Sequence[int] = (), positions: Sequence[int] | None = None) -> Tensor:
        """Logits behind a prompt and the beginning of its answer, [vocabulary].

        :param positions: of the prompt; None: its own.
        """
        own = list(positions or prompt.position_ids or range(len(prompt.input_ids)))
        own += range(own[-1] + 1, own[-1] + 1 + len(answer))
        embeds = self.language.get_input_embeddings()(torch.tensor([[*prompt.input_ids, *answer]])).clone()
        for span in prompt.spans:
            pixels = torch.from_numpy(prompt.media[span.item].pixels)
            embeds[0, span.start : span.start + span.length] = self.tower(pixels)[0]
        last: Tensor = self.language(inputs_embeds=embeds, position_ids=torch.tensor([own])).logits[0, -1]
        return last

    def greedy(self, prompt: EngineInput, tokens: int = 12) -> tuple[int, ...]:
        """The likeliest tokens, one after the other."""
        answer: list[int] = []
        for _ in range(tokens):
            answer.append(int(self.logits(prompt, answer).argmax()))
        return tuple(answer)
