package embedded

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"
)

func TestARoomyConnectionTakesWhatNobodyReadsYet(t *testing.T) {
	t.Parallel()
	client, srv := net.Pipe()
	r := newRoomy(client)
	var want []byte
	for i := range 1000 {
		p := bytes.Repeat([]byte{byte(i)}, 1+i%700)
		want = append(want, p...)
		if n, err := r.Write(p); n != len(p) || err != nil {
			t.Fatalf("write %d: %d, %v", i, n, err)
		}
	}
	closed := make(chan error)
	go func() { closed <- r.Close() }() // what was taken goes on all the same
	got, err := io.ReadAll(srv)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d bytes came of %d, or others: %v", len(got), len(want), err)
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
	if _, err := r.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("a write after the end: %v", err)
	}
}

func TestARoomyConnectionHasAnEndToItsRoom(t *testing.T) {
	t.Parallel()
	client, srv := net.Pipe()
	r := newRoomy(client)
	defer func() { _ = srv.Close(); _ = r.Close() }()
	most := make([]byte, mostWaiting)
	for range 3 { // one is on its way to the reader, one fills the room, one may go over it
		if err := r.SetWriteDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		if _, err := r.Write(append(most, 0)); err != nil {
			if !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("without room: %v", err)
			}
			return
		}
	}
	t.Error("it takes without end")
}

func TestARoomyConnectionSaysThatItsServerIsGone(t *testing.T) {
	t.Parallel()
	client, srv := net.Pipe()
	r := newRoomy(client)
	_ = srv.Close()
	for until := time.Now().Add(30 * time.Second); ; time.Sleep(time.Millisecond) {
		if _, err := r.Write([]byte("x")); err != nil {
			break
		}
		if time.Now().After(until) {
			t.Fatal("writes go on to nobody")
		}
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}
