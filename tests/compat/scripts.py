"""Scripts as people wrote them for ms-swift 2.x, and what has to be changed in them."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.compat.conftest import ROOT

IMPORT = """from swift.llm import (
    ModelType, get_lmdeploy_engine, get_default_template_type,
    get_template, inference_lmdeploy, inference_stream_lmdeploy
)
"""

BATCH_AND_STREAM = (
    "import os\nos.environ['CUDA_VISIBLE_DEVICES'] = '0'\n\n"
    + IMPORT
    + """
model_type = ModelType.internvl2_2b
lmdeploy_engine = get_lmdeploy_engine(model_type)
template_type = get_default_template_type(model_type)
template = get_template(template_type, lmdeploy_engine.hf_tokenizer)
lmdeploy_engine.generation_config.max_new_tokens = 256
generation_info = {}

request_list = [
    {'query': '<image>Describe the image.', 'images': [IMAGE_1]},
    {'query': 'who are you?'},
    {'query': f'<img>{IMAGE_2}</img><img>{IMAGE_1}</img>What is the difference bewteen the two images?'}]
resp_list = inference_lmdeploy(lmdeploy_engine, template, request_list, generation_info=generation_info)
for request, resp in zip(request_list, resp_list):
    print(f"query: {request['query']}")
    print(f"response: {resp['response']}")
print(generation_info)

request_list = [{'query': '<video>Describe the video.', 'videos': [VIDEO]}]
print_idx = 0
print('response: ', end='')
for resp_list in inference_stream_lmdeploy(lmdeploy_engine, template, request_list, generation_info=generation_info):
    response = resp_list[0]['response']
    print(response[print_idx:], end='', flush=True)
    print_idx = len(response)
print()
print(f"history: {resp_list[0]['history']}")
print(generation_info)
"""
)

TENSOR_PARALLEL = (
    "import os\nos.environ['CUDA_VISIBLE_DEVICES'] = '0,1'\n\n"
    + IMPORT
    + """
if __name__ == '__main__':
    model_type = ModelType.glm4v_9b_chat
    lmdeploy_engine = get_lmdeploy_engine(model_type, tp=2)
    template_type = get_default_template_type(model_type)
    template = get_template(template_type, lmdeploy_engine.hf_tokenizer)
    lmdeploy_engine.generation_config.max_new_tokens = 256
    generation_info = {}

    request_list = [
        {'query': f'<img>{IMAGE_1}</img>Describe the image.'},
        {'query': '<image>Describe the image.', 'images': [IMAGE_1]},
        {'query': 'who are you?'}]
    resp_list = inference_lmdeploy(lmdeploy_engine, template, request_list, generation_info=generation_info)
    for request, resp in zip(request_list, resp_list):
        print(f"query: {request['query']}")
        print(f"response: {resp['response']}")
    print(generation_info)

    history0 = resp_list[0]['history']
    request_list = [{'query': 'How many sheep are there?', 'history': history0}]
    gen = inference_stream_lmdeploy(lmdeploy_engine, template, request_list, generation_info=generation_info)
    print_idx = 0
    print('response: ', end='')
    for resp_list in gen:
        response = resp_list[0]['response']
        print(response[print_idx:], end='', flush=True)
        print_idx = len(response)
    print()
    print(f"history: {resp_list[0]['history']}")
    print(generation_info)
"""
)


class Printed:
    """What a script has printed, read back."""

    def __init__(self, text: str) -> None:
        self.responses = re.findall(r"^response: (.*)$", text, re.MULTILINE)
        self.history: Any = ast.literal_eval(re.findall(r"^history: (.*)$", text, re.MULTILINE)[-1])
        lines = re.findall(r"^\{.*\}$", text, re.MULTILINE)
        self.infos: list[dict[str, float]] = [ast.literal_eval(line) for line in lines]


def run(script: str, folder: Path, model: str, media: Mapping[str, str]) -> Printed:
    """Runs a script of which only the import line, the media and the model are changed."""
    for name, source in media.items():
        script = script.replace(f"{{{name}}}", source).replace(name, repr(source))
    script = script.replace("from swift.llm import", "from vlmplug.compat.swift import")
    script = re.sub(r"ModelType\.\w+", f"ModelType.{model}", script)
    file = folder / "script.py"
    file.write_text(script, "utf-8")
    ran = subprocess.run([sys.executable, file], capture_output=True, text=True, timeout=300, cwd=ROOT, check=False)
    assert ran.returncode == 0, ran.stderr
    return Printed(ran.stdout)
