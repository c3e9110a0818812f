package tcn

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// text is a sid or any other opaque text. TCN sends 64-bit integers as strings
// and sometimes as numbers; both are kept digit by digit, never as a float.
type text string

// UnmarshalJSON implements json.Unmarshaler.
func (t *text) UnmarshalJSON(b []byte) error {
	b = bytes.TrimSpace(b)
	switch {
	case bytes.Equal(b, []byte("null")):
		*t = ""
	case len(b) > 0 && b[0] == '"':
		var s string
		if err := json.Unmarshal(b, &s); err != nil {
			return err
		}
		*t = text(strings.TrimSpace(s))
	case isInteger(string(b)):
		*t = text(b)
	default:
		return fmt.Errorf("neither a string nor a whole number")
	}
	return nil
}

func isInteger(s string) bool {
	s = strings.TrimPrefix(s, "-")
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// sid is a text without the two ways of saying "none".
func (t text) sid() string {
	if t == "0" {
		return ""
	}
	return string(t)
}

// flag is a boolean that may come as true, "true", "TRUE", 1 or "". What is
// not clearly yes is no: every flag here is one where no is the careful answer.
type flag struct {
	set bool // the field was there
	on  bool // it says yes
	off bool // it says no
}

// UnmarshalJSON implements json.Unmarshaler. It never fails.
func (f *flag) UnmarshalJSON(b []byte) error {
	s := strings.ToLower(strings.TrimSpace(strings.Trim(strings.TrimSpace(string(b)), `"`)))
	f.set = s != "null"
	f.on, f.off = s == "true" || s == "1", s == "false" || s == "0"
	return nil
}

// integer is a number that may come as a string. Absent and "" are 0.
type integer int64

// UnmarshalJSON implements json.Unmarshaler.
func (i *integer) UnmarshalJSON(b []byte) error {
	var t text
	if err := t.UnmarshalJSON(b); err != nil {
		return err
	}
	if t == "" {
		*i = 0
		return nil
	}
	n, err := strconv.ParseInt(string(t), 10, 64)
	if err != nil {
		return fmt.Errorf("not a whole number of 64 bits")
	}
	*i = integer(n)
	return nil
}

// instant reads TCN's three kinds of time: RFC 3339, epoch milliseconds and
// epoch seconds. It is zero where the text is none of them.
func instant(t text) time.Time {
	s := string(t)
	if isInteger(s) {
		n, err := strconv.ParseInt(s, 10, 64)
		switch {
		case err != nil || n <= 0:
			return time.Time{}
		case len(s) >= 13 && n < 1e15:
			return time.UnixMilli(n).UTC()
		case len(s) <= 10:
			return time.Unix(n, 0).UTC()
		}
		return time.Time{}
	}
	at, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return time.Time{}
	}
	return at.UTC()
}
