"""What operators watch of the sample product. Labels are short closed lists."""

from prometheus_client import Counter

generations_total = Counter("showcase_generations_total", "Generations that have ended", ["state"])
