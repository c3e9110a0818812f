package log_test

import (
	"testing"

	"github.com/outdial/outdial/internal/log"
	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/test/exams/logtest"
)

func TestTheLogOnJetStreamSitsTheExam(t *testing.T) {
	t.Parallel()
	logtest.Exam(t, func(t *testing.T) log.Leader { return log.NewJetStream(rig(t).JS, log.Options{}) })
}

func TestTheLogInBatchesSitsTheExam(t *testing.T) {
	t.Parallel()
	logtest.Exam(t, func(t *testing.T) log.Leader {
		return log.NewJetStream(rig(t).JS, log.Options{Lanes: log.In(1, 2, events.StreamCalls, events.StreamAgents)})
	})
}
