"""What the drill makes of patterns, metric math and alarms."""

import json
import unittest
from pathlib import Path

import alarms
from alarms import Alarm, Filter, Metric, Watch, calculate, of_alarm

ROOT = Path(__file__).parents[2]
LINE = {"at": 1.0, "event": "batch", "level": "INFO", "messages": 4, "retried": 3, "embed_ms": 20.5}


def counted(name, value="$.messages", pattern='{ $.event = "batch" }', default=0.0):
    return {name: Filter(pattern, value, default)}


def alarm(expression, threshold, period=60, periods=1, datapoints=None, **metrics):
    made = {part: Metric("nearline/n", name, (), statistic) for part, (name, statistic) in metrics.items()}
    return Alarm("a", "page", "h", made, expression, period, periods, datapoints or periods, threshold)


class Patterns(unittest.TestCase):
    def test_every_pattern_of_the_metrics_is_evaluated(self):
        for metric in json.loads((ROOT / "terraform/modules/observability/metrics.json").read_text()):
            made = Filter(metric["pattern"], metric["value"], None)
            self.assertIs(made.matches({"event": "none of these"}), False, metric["name"])

    def test_terms_are_joined_by_and_or_or(self):
        both = Filter('{ ($.event = "jobs_retried") && ($.cause = "throttled") }', "1", None)
        self.assertTrue(both.matches({"event": "jobs_retried", "cause": "throttled"}))
        self.assertFalse(both.matches({"event": "jobs_retried", "cause": "timed_out"}))
        either = Filter('{ ($.event = "a") || ($.event = "b") }', "1", None)
        self.assertTrue(either.matches({"event": "b"}))

    def test_a_pattern_of_another_form_is_refused(self):
        for pattern in ['{ $.n > 3 }', "ERROR", '{ ($.a = "1") && ($.b = "2") || ($.c = "3") }']:
            with self.assertRaises(ValueError, msg=pattern):
                Filter(pattern, "1", None).matches({"n": 4})

    def test_a_line_without_the_number_adds_nothing(self):
        self.assertEqual(Filter("", "$.messages", None).of(LINE), 4)
        self.assertIsNone(Filter("", "$.scan_ms", None).of(LINE))
        self.assertEqual(Filter("", "1", None).of({}), 1)


class Math(unittest.TestCase):
    def test_sums_and_greatest_pass_over_what_has_no_data(self):
        self.assertEqual(calculate("100 * part / SUM([part, rest])", {"part": 5.0, "rest": None}), 100)
        self.assertIsNone(calculate("100 * part / SUM([part, rest])", {"part": None, "rest": 3.0}))
        self.assertIsNone(calculate("100 * part / MAX([part, whole])", {"part": 0.0, "whole": 0.0}), "0 / 0")

    def test_a_condition_chooses(self):
        many = "IF(part > 10, 100 * part / MAX([part, whole]), 0)"
        self.assertEqual(calculate(many, {"part": 10.0, "whole": 10.0}), 0)
        self.assertEqual(calculate(many, {"part": 11.0, "whole": 22.0}), 50)

    def test_the_ninetieth_percentile_is_a_value_that_was_there(self):
        self.assertEqual(alarms.percentile(range(1, 11), 90), 9)
        self.assertEqual(alarms.percentile([7], 90), 7)


class Alarms(unittest.TestCase):
    def test_periods_pass_faster_by_the_pace(self):
        watch = Watch({}, counted("Messages"), 20)
        watch.log({**LINE, "at": 100.0})
        one = alarm("m", 3, m=("Messages", "Sum"))
        self.assertTrue(watch.is_on(one, 102.9))
        self.assertFalse(watch.is_on(one, 103.1), "a minute is three seconds")

    def test_so_many_periods_of_so_many_must_breach(self):
        watch = Watch({}, counted("Messages"), 60)
        for at in (98.5, 99.5):
            watch.log({**LINE, "at": at})
        self.assertTrue(watch.is_on(alarm("m", 3, periods=2, m=("Messages", "Sum")), 100))
        self.assertFalse(watch.is_on(alarm("m", 3, periods=3, m=("Messages", "Sum")), 100))
        self.assertTrue(watch.is_on(alarm("m", 3, periods=3, datapoints=1, m=("Messages", "Sum")), 100))

    def test_a_count_is_zero_where_others_have_lines_and_a_duration_has_no_data(self):
        filters = {**counted("Errors", "1", '{ $.level = "ERROR" }'), **counted("Embed", "$.none", default=None)}
        watch = Watch({}, filters, 1)
        watch.log(LINE)
        self.assertEqual(watch.value(Metric("nearline/n", "Errors", (), "Sum"), 0, 2), 0)
        self.assertIsNone(watch.value(Metric("nearline/n", "Errors", (), "Sum"), 2, 4))
        self.assertIsNone(watch.value(Metric("nearline/n", "Embed", (), "p90"), 0, 2))

    def test_an_alarm_on_what_nothing_measures_is_told_apart(self):
        watch = Watch({}, counted("Messages"), 1)
        queue = Metric("AWS/SQS", "ApproximateNumberOfMessagesVisible", (("QueueName", "q"),), "Maximum")
        on_queue = Alarm("a", "ticket", "h", {"m": queue}, "m", 60, 1, 1, 0.0)
        self.assertFalse(watch.measured(on_queue))
        watch.sample(1.0, queue.namespace, queue.name, {"QueueName": "q"}, 2)
        self.assertTrue(watch.measured(on_queue) and watch.is_on(on_queue, 2.0))
        self.assertTrue(watch.measured(alarm("m", 3, m=("Messages", "Sum"))))

    def test_terraforms_alarms_are_read_whole_or_refused(self):
        values = {
            "alarm_name": "nearline-blocked", "comparison_operator": "GreaterThanThreshold",
            "treat_missing_data": "notBreaching", "metric_name": "Blocked", "namespace": "nearline/nearline",
            "dimensions": {}, "statistic": "Sum", "extended_statistic": None, "period": 300, "evaluation_periods": 4,
            "datapoints_to_alarm": 1, "threshold": 0, "tags": {"severity": "page"}, "metric_query": [],
            "alarm_description": 'Jobs wait. See "Jobs are blocked" in docs/operations.md.',
        }
        read = of_alarm(values)
        self.assertEqual((read.name, read.heading, read.period, read.periods, read.datapoints),
                         ("blocked", "Jobs are blocked", 300, 4, 1))
        with self.assertRaises(ValueError):
            of_alarm({**values, "treat_missing_data": "breaching"})


if __name__ == "__main__":
    unittest.main()
