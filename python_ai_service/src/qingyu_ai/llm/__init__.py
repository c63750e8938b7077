"""Language models: the official clients of OpenAI and Anthropic, and a writer without a model."""
