package zones

import (
	"archive/zip"
	"bytes"
	_ "embed"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/outdial/outdial/pkg/events/fault"
)

//go:embed data/tzdata.zip
var packedZones []byte

//go:embed data/VERSION
var zoneRelease string

// loadZones reads every packed zone once; nothing changes them afterwards.
var loadZones = sync.OnceValues(func() (map[string]*time.Location, error) {
	archive, err := zip.NewReader(bytes.NewReader(packedZones), int64(len(packedZones)))
	if err != nil {
		return nil, fault.New(fault.Permanent, "read zone data", "TZDATA_BROKEN", err)
	}
	all := make(map[string]*time.Location, len(archive.File))
	for _, f := range archive.File {
		loc, err := loadZone(f)
		if err != nil {
			return nil, fault.New(fault.Permanent, "read zone data", "TZDATA_BROKEN", err)
		}
		all[f.Name] = loc
	}
	return all, nil
})

func loadZone(f *zip.File) (*time.Location, error) {
	r, err := f.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	data, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	return time.LoadLocationFromTZData(f.Name, data)
}

// TZDataVersion is the IANA release of the zone data, such as "2026f".
func TZDataVersion() string { return strings.TrimSpace(zoneRelease) }

// Location returns the zone of that IANA name from the data in this package,
// never from the machine. The name is matched to the letter; "" and "Local"
// are no zones. An unknown name is a Permanent fault with code ZONE_UNKNOWN,
// whose text does not repeat the name.
func Location(name string) (*time.Location, error) {
	all, err := loadZones()
	if err != nil {
		return nil, err
	}
	loc, ok := all[name]
	if !ok {
		return nil, fault.New(fault.Permanent, "find time zone", "ZONE_UNKNOWN",
			fmt.Errorf("no such zone in IANA %s", TZDataVersion()))
	}
	return loc, nil
}

// sameClock reports whether two zones agree at every instant from a year
// before at until a year after it. Many names share a clock: Boise and Denver,
// Louisville and New York. Only the clock matters to a calling window.
func sameClock(a, b *time.Location, at time.Time) bool {
	end := at.AddDate(1, 0, 0)
	for t := at.AddDate(-1, 0, 0); ; {
		_, oa := t.In(a).Zone()
		_, ob := t.In(b).Zone()
		if oa != ob {
			return false
		}
		_, na := t.In(a).ZoneBounds()
		_, nb := t.In(b).ZoneBounds()
		next := end
		for _, n := range []time.Time{na, nb} {
			if !n.IsZero() && n.Before(next) {
				next = n
			}
		}
		if !next.After(t) || !next.Before(end) {
			return true
		}
		t = next
	}
}
