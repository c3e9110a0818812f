package events

import "testing"

func BenchmarkEncodeRecord(b *testing.B) {
	r := sampleRecord()
	for b.Loop() {
		if _, _, err := EncodeRecord(r); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecodeRecord(b *testing.B) {
	r := sampleRecord()
	h, data, err := EncodeRecord(r)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := DecodeRecord(r.Subject(), h, data); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkReadRequest(b *testing.B) {
	for b.Loop() {
		if _, faults, _ := read(requestHeader(), good, testContext()); len(faults) > 0 {
			b.Fatal(faults)
		}
	}
}
