package config

import (
	"encoding/base64"
	"os"
	"path/filepath"

	"github.com/outdial/outdial/pkg/events"
)

// keyBytes is the length of a tenant's key.
const keyBytes = 32

// checkKey opens a tenant's key. It says whether the key's file is missing and
// may be made.
func (l *loader) checkKey(path, name string, t Tenant) (keyless bool) {
	if t.Key.IsZero() {
		l.missing(path, "e.g. {file: ./secrets/%s.key}", name)
		return false
	}
	found := l.open(path, &t.Key)
	switch {
	case !found && l.BeforeStart && l.mayMake(path, name):
		l.warnings = append(l.warnings, path+" is not there yet; "+l.maker()+" makes it. Keep a copy then")
		t.Key = t.Key.Opened(base64.StdEncoding.EncodeToString(events.NewKey()))
	case !found && !l.BeforeStart:
		return l.mayMake(path, name)
	case !t.Key.IsOpen():
		return false
	}
	if _, ok := decodeKey(t.Key.Reveal()); !ok {
		l.judge(path, "is not 32 random bytes in base64, as openssl rand -base64 32 prints them")
	}
	l.cfg.Tenants[name] = t
	return false
}

// mayMake says whether a missing key may be made: at the beginning of an
// installation that only this machine reaches, by the command that also makes
// its streams. Elsewhere a key that is not
// there is a mistake, and a new one would forget every number on the
// do-not-call list.
func (l *loader) mayMake(path, name string) bool {
	const how = "; put the tenant's key there, or make one: openssl rand -base64 32"
	switch {
	case l.ReadOnly && !l.BeforeStart:
		l.judge(path, missingFile+"; %s makes it if everything is on loopback", l.maker())
	case !l.cfg.Loopback():
		l.judge(path, missingFile+", and it is made only where everything is on loopback"+how)
	case l.known(name):
		l.judge(path, missingFile+", but the store has requests of this tenant; a new key would forget its do-not-call list; bring the old key back")
	case l.cfg.NATS.URL != "" && !l.Provision && !l.BeforeStart:
		l.judge(path, missingFile+"; run `outdial provision` first, it makes the key and the streams")
	default:
		return true
	}
	return false
}

// maker is the command that begins this installation.
func (l *loader) maker() string {
	if l.cfg.NATS.URL != "" {
		return "`outdial provision`"
	}
	return "the first `outdial up`"
}

// known says whether the embedded server's store has the tenant's stream.
func (l *loader) known(tenant string) bool {
	if l.cfg.NATS.URL != "" || !events.IsToken(tenant) {
		return false
	}
	accounts, err := os.ReadDir(filepath.Join(l.at(l.cfg.NATS.Store), "jetstream"))
	if err != nil {
		return false
	}
	for _, a := range accounts {
		if isDir(filepath.Join(l.at(l.cfg.NATS.Store), "jetstream", a.Name(), "streams", events.RequestStream(tenant))) {
			return true
		}
	}
	return false
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// makeKeys makes the missing keys, after everything else was found right.
func (l *loader) makeKeys(tenants []string) {
	for _, name := range tenants {
		t, path := l.cfg.Tenants[name], child(child("tenants", name), "key")
		made, err := makeKey(l.at(t.Key.File))
		if err != nil {
			l.judge(path, "the key cannot be made: %s", why(err))
			continue
		}
		if l.open(path, &t.Key); !t.Key.IsOpen() {
			continue // open has said why
		}
		if _, ok := decodeKey(t.Key.Reveal()); !ok {
			l.judge(path, "is not 32 random bytes in base64")
		}
		if made {
			l.cfg.Made = append(l.cfg.Made, t.Key.File)
		}
		l.cfg.Tenants[name] = t
	}
}

// makeKey writes a new key to a file that does not exist. Two processes that
// start at once agree on one: the file appears whole or not at all, and who
// comes second reads the first one's.
func makeKey(path string) (made bool, err error) {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return false, err
	}
	tmp, err := os.CreateTemp(dir, ".key-*") // 0600 by its contract
	if err != nil {
		return false, err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.WriteString(base64.StdEncoding.EncodeToString(events.NewKey()) + "\n")
	if err == nil {
		err = tmp.Sync()
	}
	if cerr := tmp.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return false, err
	}
	if err := os.Link(tmp.Name(), path); os.IsExist(err) {
		return false, nil
	} else if err != nil {
		return false, err
	}
	d, err := os.Open(dir)
	if err != nil {
		return true, err
	}
	defer d.Close()
	return true, d.Sync()
}

func decodeKey(s string) (events.Key, bool) {
	for _, e := range []*base64.Encoding{base64.StdEncoding, base64.RawStdEncoding, base64.URLEncoding, base64.RawURLEncoding} {
		if b, err := e.DecodeString(s); err == nil && len(b) == keyBytes {
			return b, true
		}
	}
	return nil, false
}
