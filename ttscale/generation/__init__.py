"""Generation: prompts in, sampled completions out, by a local language model or a server."""
