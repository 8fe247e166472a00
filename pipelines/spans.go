package pipelines

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"seatrial.dev/seatrial/internal/dagger"
)

// show runs the rehearsal and reports each layer to Dagger as a test case, with the
// attributes of OpenTelemetry's conventions. A rehearsal that could not be run has no
// layers; Read and Assert report that.
func (p *Pipeline) show(ctx context.Context, rehearsal *dagger.Container) error {
	if _, err := rehearsal.Sync(ctx); err != nil {
		return err
	}
	end := time.Now()
	report, err := Read(ctx, rehearsal)
	if err != nil {
		return nil
	}
	longest := 0.0
	for _, l := range report.Layers {
		longest = max(longest, l.Seconds)
	}
	start := end.Add(-seconds(longest))
	for _, l := range report.Layers {
		_, span := dagger.Tracer().Start(ctx, "layer "+l.Name, trace.WithTimestamp(start), trace.WithAttributes(
			attribute.String("test.suite.name", "layers"), attribute.String("test.case.name", l.Name)))
		result := "pass"
		switch {
		case l.Status == "reconciled":
		case l.Suspended, l.Accepted:
			result = "skipped"
		default:
			result = "fail"
			span.SetStatus(codes.Error, l.Status+": "+l.Message)
		}
		span.SetAttributes(attribute.String("test.case.result.status", result))
		span.End(trace.WithTimestamp(start.Add(seconds(l.Seconds))))
	}
	return nil
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
