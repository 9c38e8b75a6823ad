"""The alarms as Terraform makes them, evaluated as CloudWatch does, on log lines and on what queues say of themselves.

Owns no threshold: alarms and metric filters are read from Terraform's own state of a trial with its defaults. Refuses
what it does not know how to evaluate, and invents no metric: an alarm on one that nothing here measures is named.
"""

import json
import math
import re
import subprocess
from dataclasses import dataclass
from datetime import datetime

FOLDER = "tests/drill"
HEADING = re.compile(r'See "([^"]+)" in docs/operations\.md\.$')
TERM = re.compile(r'^\(?\s*\$\.(\w+) = "([^"]*)"\s*\)?$')


@dataclass(frozen=True)
class Filter:
    """A metric filter of the log group."""

    pattern: str
    value: str
    default: float | None

    def matches(self, line):
        """Whether a line counts; of the pattern language only what is used: equality, joined by && or by ||."""
        inside = re.fullmatch(r"\{ (.*) \}", self.pattern)
        if not inside or ("&&" in self.pattern and "||" in self.pattern):
            raise ValueError(f"not a pattern that this evaluates: {self.pattern}")
        every, separator = (all, "&&") if "&&" in self.pattern else (any, "||")
        return every(self._holds(term.strip(), line) for term in inside[1].split(separator))

    def _holds(self, term, line):
        equal = TERM.match(term)
        if not equal:
            raise ValueError(f"not a pattern that this evaluates: {self.pattern}")
        return line.get(equal[1]) == equal[2]

    def of(self, line):
        """What a line that matches adds; None if it has no such number, which CloudWatch leaves out."""
        if not self.value.startswith("$."):
            return float(self.value)
        value = line.get(self.value[2:])
        return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


@dataclass(frozen=True)
class Metric:
    namespace: str
    name: str
    dimensions: tuple
    statistic: str


@dataclass(frozen=True)
class Alarm:
    name: str
    severity: str
    heading: str
    metrics: dict
    expression: str
    period: int
    periods: int
    datapoints: int
    threshold: float

    def when(self):
        times = f"{self.datapoints} of {self.periods} times" if self.periods > 1 else "once"
        return f"above {round(self.threshold)}, {times} {self.period} s"


def read(terraform):
    """The alarms and the filters, of what Terraform would make; some seconds."""
    command = ["terraform", f"-chdir={terraform}", "test", "-json", "-verbose", f"-test-directory={FOLDER}"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    messages = [json.loads(line) for line in ran.stdout.splitlines() if line.startswith("{")]
    states = [message["test_state"] for message in messages if "test_state" in message]
    if ran.returncode or not states:
        faults = [message["@message"] for message in messages if message["@level"] == "error"]
        raise RuntimeError("the alarms could not be read: terraform test: " + "; ".join(faults or [ran.stderr.strip()[-500:]]))
    modules = states[-1]["root_module"]["child_modules"]
    resources = next(m for m in modules if m["address"] == "module.observability")["resources"]
    return of_resources([(resource["type"], resource["values"]) for resource in resources])


def of_resources(resources):
    alarms, filters = {}, {}
    for kind, values in resources:
        if kind == "aws_cloudwatch_log_metric_filter":
            made = values["metric_transformation"][0]
            default = made.get("default_value")
            filters[values["name"]] = Filter(values["pattern"], made["value"], None if default is None else float(default))
        elif kind == "aws_cloudwatch_metric_alarm":
            alarm = of_alarm(values)
            alarms[alarm.name] = alarm
    return alarms, filters


def of_alarm(values):
    if values["comparison_operator"] != "GreaterThanThreshold" or values["treat_missing_data"] != "notBreaching":
        raise ValueError(f"not an alarm that this evaluates: {values['alarm_name']}")
    if values["metric_name"]:
        metrics, expression, period = {"m": of_metric(values)}, "m", values["period"]
    else:
        queries = values["metric_query"]
        parts = {query["id"]: query["metric"][0] for query in queries if query["metric"]}
        metrics = {part: of_metric(metric) for part, metric in parts.items()}
        answer = next(query for query in queries if query["return_data"])
        expression, period = answer["expression"], answer["period"] or min(p["period"] for p in parts.values())
    heading = HEADING.search(values["alarm_description"])
    periods = values["evaluation_periods"]
    return Alarm(values["alarm_name"].split("-", 1)[1], values["tags"]["severity"], heading[1] if heading else "",
                 metrics, expression, period, periods, values["datapoints_to_alarm"] or periods, float(values["threshold"]))


def of_metric(values):
    statistic = values.get("stat") or values.get("extended_statistic") or values.get("statistic")
    dimensions = tuple(sorted((values.get("dimensions") or {}).items()))
    return Metric(values["namespace"], values["metric_name"], dimensions, statistic)


def percentile(values, percent):
    """The nearest rank; CloudWatch estimates it from buckets of one percent."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def statistic(name, values):
    if name == "Sum":
        return sum(values)
    if name == "Maximum":
        return max(values)
    if re.fullmatch(r"p\d+", name):
        return percentile(values, int(name[1:]))
    raise ValueError(f"not a statistic that this evaluates: {name}")


def calculate(expression, values):
    """CloudWatch's metric math is also Python's, but for its functions; None where a metric that is needed has no data."""
    missing = math.nan
    present = lambda items: [item for item in items if not math.isnan(item)]
    functions = {
        "IF": lambda condition, yes, no: yes if condition else no,
        "SUM": lambda items: sum(present(items)) if present(items) else missing,
        "MAX": lambda items: max(present(items), default=missing),
    }
    names = {name: missing if value is None else value for name, value in values.items()}
    try:
        # Of our own Terraform files.
        answer = eval(expression, {"__builtins__": {}}, {**functions, **names})
    except ZeroDivisionError:
        return None
    return None if math.isnan(answer) else answer


class Watch:
    """What has been measured so far, and whether alarms are on; `pace` is how many seconds pass in one of ours."""

    def __init__(self, alarms, filters, pace):
        self.alarms, self.filters, self.pace = alarms, filters, pace
        self.lines, self.samples = [], []

    def log(self, line):
        """A line of the log, as an object; with its time in seconds at `at`."""
        self.lines.append(line)

    def sample(self, at, namespace, name, dimensions, value):
        self.samples.append((at, namespace, name, tuple(sorted(dimensions.items())), value))

    def measured(self, alarm):
        """Whether there is a source for each of its metrics."""
        known = {sample[1:4] for sample in self.samples}
        own = lambda metric: metric.namespace.startswith("nearline/") and metric.name in self.filters
        return bool(alarm.metrics) and all(
            own(metric) or (metric.namespace, metric.name, metric.dimensions) in known for metric in alarm.metrics.values())

    def value(self, metric, begin, end):
        """Of a period, its end included."""
        if metric.namespace.startswith("nearline/"):
            found = self.filters[metric.name]
            lines = [line for line in list(self.lines) if begin < line["at"] <= end]
            values = [found.of(line) for line in lines if found.matches(line)]
            values = [value for value in values if value is not None]
            if not values and lines and found.default is not None:
                values = [found.default]
        else:
            key = (metric.namespace, metric.name, metric.dimensions)
            values = [sample[4] for sample in list(self.samples) if begin < sample[0] <= end and sample[1:4] == key]
        return statistic(metric.statistic, values) if values else None

    def is_on(self, alarm, now):
        """Whether an alarm that is evaluated now is on: CloudWatch looks each minute, at the periods that end then."""
        length = alarm.period / self.pace
        breaching = 0
        for number in range(alarm.periods):
            end = now - number * length
            parts = {part: self.value(metric, end - length, end) for part, metric in alarm.metrics.items()}
            answer = calculate(alarm.expression, parts)
            breaching += answer is not None and answer > alarm.threshold
        return breaching >= alarm.datapoints


def seconds(timestamp):
    """A log line's time."""
    return datetime.fromisoformat(timestamp.replace("Z", "+00:00")).timestamp()
