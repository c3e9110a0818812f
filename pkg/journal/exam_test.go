package journal_test

import (
	"testing"

	"github.com/outdial/outdial/pkg/journal"
	"github.com/outdial/outdial/pkg/journal/journaltest"
)

func TestTheLogOnJetStreamSitsTheExam(t *testing.T) {
	t.Parallel()
	journaltest.Exam(t, func(t *testing.T) journal.Log { return journal.New(rig(t).JS, journal.Options{}) })
}
