package runtime

import "context"

// Compare is compare.
func (h *Host) Compare(machine string, apart error) {
	h.compare(context.Background(), machine, apart)
}
