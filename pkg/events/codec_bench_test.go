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

// A page's message as every bridge hears it.
func BenchmarkDecodeProviderRaw(b *testing.B) {
	h, data, err := EncodePlain(TypeProviderRaw, SourceOf("acme", Bridge), "", "r1", noon,
		ProviderRaw{Connection: "webex", Via: "desktop", Agent: "a", Session: "s", ReceivedAt: noon, Body: make([]byte, 3700)})
	if err != nil {
		b.Fatal(err)
	}
	for form, header := range map[string]Header{"ours": h, "foreign": foreign(h)} {
		b.Run(form, func(b *testing.B) {
			for b.Loop() {
				if _, _, err := DecodeBody[ProviderRaw](header, data, TypeProviderRaw); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
