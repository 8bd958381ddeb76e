"""Writes two logs of inspect_ai by its own mock model: ``python inspect_example.py FOLDER``.

A process of its own, since the evaluation leaves streams open, which the tests would take for errors.
"""

import sys

import inspect_ai
from inspect_ai.dataset import Sample
from inspect_ai.model import ModelOutput, ModelUsage, get_model
from inspect_ai.scorer import choice, includes, match
from inspect_ai.solver import generate, multiple_choice


def says(*texts):
    outputs = [ModelOutput.from_content("mockllm/model", text) for text in texts]
    for tokens, output in enumerate(outputs):
        output.usage = ModelUsage(input_tokens=11, output_tokens=tokens, total_tokens=11 + tokens)
    return get_model("mockllm/model", custom_outputs=outputs)


def run(folder, name, model, samples, solver, scorer, epochs, suffix):
    task = inspect_ai.Task(dataset=samples, solver=solver, scorer=scorer, epochs=epochs, name=name)
    inspect_ai.eval(task, model=model, log_dir=folder, display="none", max_samples=1, log_format=suffix)


def main(folder):
    sums = [Sample(input=f"{i}+{i}?", target=str(2 * i), id=f"q{i}", metadata={"kind": "ab"[i % 2]}) for i in (1, 2, 3)]
    said = says("2", "it is 5", "6", "2", "4", "none")
    run(folder, "sums", said, sums, generate(), [match(numeric=True), includes()], 2, "eval")
    picks = [Sample(input="which?", choices=["x", "y"], target="B") for _ in range(2)]
    run(folder, "picks", says("ANSWER: B", "ANSWER: A"), picks, multiple_choice(), choice(), 1, "json")


if __name__ == "__main__":
    main(sys.argv[1])
