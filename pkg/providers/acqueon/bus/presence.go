package bus

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/outdial/outdial/pkg/events"
	"github.com/outdial/outdial/pkg/events/fault"
	"github.com/outdial/outdial/pkg/providers"
	"github.com/outdial/outdial/pkg/providers/callstate"
)

// VersionID is the name under which a desktop's Workspace version is kept
// among the ids of its session.
const VersionID = "workspaceVersion"

// UnsupportedVersion is the code and the reason for a Workspace that is older
// than the provider's document covers.
const UnsupportedVersion = "unsupported_version"

// ReadRelay reads the relay page's own messages: presence, with the version of
// the Workspace where the page knows it. A Workspace older than minVersion is
// not ready, whatever it says.
func ReadRelay(m Message, minVersion string) ([]providers.Observation, error) {
	if callstate.Fold(m.Root.Text("outdial")) != "presence" {
		return nil, fault.New(fault.Permanent, "read desktop message", "unknown_relay_message", nil)
	}
	// Of the page's own words none is kept: an agent types into it.
	o := providers.Observation{Event: "presence", Reason: events.PresenceReason(m.Root.Text("reason"))}
	switch callstate.Fold(m.Root.Text("status")) {
	case "ready":
		o.Presence, o.State = events.Ready, string(events.Ready)
	case "notready":
		o.Presence, o.State = events.NotReady, string(events.NotReady)
	default:
		return nil, fault.New(fault.Permanent, "read desktop message", "unknown_presence", nil)
	}
	if version := m.Root.Text("version"); version != "" {
		if !AtLeast(version, minVersion) {
			o.Presence, o.Reason = events.NotReady, UnsupportedVersion
		}
		if version = strings.TrimSpace(version); versionShape.MatchString(version) {
			o.IDs = map[string]string{VersionID: version}
		}
	}
	return []providers.Observation{o}, nil
}

// versionShape is what a version looks like, and a telephone number does not.
var versionShape = regexp.MustCompile(`^[0-9]{1,2}(\.(0|[1-9][0-9]{0,4})){0,3}$`)

// AtLeast compares versions such as 3.21.2410 part by part. A version that
// cannot be read is not at least anything.
func AtLeast(version, minimum string) bool {
	v, ok := parts(version)
	m, _ := parts(minimum)
	for len(v) < len(m) {
		v = append(v, 0)
	}
	return ok && slices.Compare(v, m) >= 0
}

func parts(version string) ([]uint64, bool) {
	var out []uint64
	for _, p := range strings.Split(strings.TrimSpace(version), ".") {
		n, err := strconv.ParseUint(p, 10, 32)
		if err != nil {
			return nil, false
		}
		out = append(out, n)
	}
	return out, true
}
