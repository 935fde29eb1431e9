"""The CPU as a device of lmdeploy's PyTorch engine.

``install.install()`` teaches lmdeploy the device once per process, ``config.cpu_engine_config()`` builds the
configuration of one engine. Dense language models in float32, bfloat16 or float16; one process, no tensor parallelism.
"""
