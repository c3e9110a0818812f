package config

import (
	"strconv"
	"strings"
)

// A Size is a number of bytes, written with a unit: 16GiB.
type Size int64

var units = []struct {
	name  string
	bytes Size
}{{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}}

// parseSize reads a whole number with one of the units.
func parseSize(s string) (Size, bool) {
	for _, u := range units {
		if number, ok := strings.CutSuffix(s, u.name); ok {
			n, err := strconv.ParseInt(strings.TrimSpace(number), 10, 64)
			return Size(n) * u.bytes, err == nil && n > 0 && n <= int64((1<<62)/u.bytes)
		}
	}
	return 0, false
}

// String is the size in the largest unit that divides it.
func (s Size) String() string {
	for _, u := range units {
		if s != 0 && s%u.bytes == 0 {
			return strconv.FormatInt(int64(s/u.bytes), 10) + u.name
		}
	}
	return strconv.FormatInt(int64(s), 10) + " bytes"
}

// MarshalYAML writes what parseSize reads; no size is left out.
func (s Size) MarshalYAML() (any, error) {
	if s == 0 {
		return nil, nil
	}
	return s.String(), nil
}

// IsZero says that no size was set.
func (s Size) IsZero() bool { return s == 0 }
