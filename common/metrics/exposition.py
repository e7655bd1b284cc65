"""Samples in Prometheus' text format, or in OpenMetrics for who asks for that."""

from collections.abc import Iterable, Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.gc_collector import GCCollector
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector, CollectorRegistry

from common.metrics.histogram import Histogram
from common.metrics.metric import Metric, Sample, Source


class Exposition:
    """The numbers of one program, with those of its process and of its garbage collector.

    It has a registry of its own, so that several programs can live in one process.
    """

    def __init__(self, source: Source) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_Ours(source))
        ProcessCollector(registry=self._registry)
        GCCollector(registry=self._registry)

    def page(self, accept: str) -> tuple[bytes, str]:
        """The page and its content type, for an `Accept` header."""
        encode, content_type = choose_encoder(accept)
        return encode(self._registry), content_type


class _Ours(Collector):
    """Makes families of samples; the samples of a metric need not stand together."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def describe(self) -> Iterable[Family]:
        return ()  # so that registering asks nothing

    def collect(self) -> Iterator[Family]:
        families: dict[Metric, Family] = {}
        for sample in self._source():
            family = families.get(sample.metric)
            if family is None:
                family = families[sample.metric] = _family(sample.metric)
            _add(family, sample)
        yield from families.values()


def _family(metric: Metric) -> Family:
    kind = {
        "counter": CounterMetricFamily,
        "gauge": GaugeMetricFamily,
        "histogram": HistogramMetricFamily,
    }[metric.kind]
    family: Family = kind(metric.name, metric.meaning, labels=metric.labels)
    return family


def _add(family: Family, sample: Sample) -> None:
    if isinstance(family, HistogramMetricFamily):
        assert isinstance(sample.value, Histogram)
        family.add_metric(sample.labels, sample.value.buckets(), sample.value.sum)
    else:
        assert isinstance(family, CounterMetricFamily | GaugeMetricFamily)
        assert not isinstance(sample.value, Histogram)
        family.add_metric(sample.labels, sample.value)
