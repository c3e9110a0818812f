// Package redisbin finds the redis-server of this machine and says how to run
// a private one: for `outdial up`, which starts it as a child, and for tests.
//
// What it finds may be started as it is. The server that deploy/scripts/redis.sh
// unpacks is behind a wrapper that sets its own library path and then becomes
// the server, keeping the process id.
package redisbin

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// EnvServer names the environment variable that, when set, decides which
// redis-server is used.
const EnvServer = "OUTDIAL_REDIS_SERVER"

// unpacked is where deploy/scripts/redis.sh puts the server, below the
// repository's root.
const unpacked = ".cache/redis/usr/bin/redis-server"

// ErrNotFound says that this machine has no redis-server that we know of.
var ErrNotFound = errors.New("no redis-server: not on PATH, not unpacked in .cache (run `make redis`), and " + EnvServer + " is not set")

// Find returns the path of a redis-server: the one OUTDIAL_REDIS_SERVER names,
// else the one on PATH, else the one `make redis` unpacked into the repository
// that holds the working directory. It returns ErrNotFound when there is none,
// and another error when OUTDIAL_REDIS_SERVER names something that cannot run.
func Find() (string, error) {
	if named := os.Getenv(EnvServer); named != "" {
		path, err := exec.LookPath(named)
		if err != nil {
			return "", fmt.Errorf("%s names no program: %w", EnvServer, err)
		}
		return filepath.Abs(path)
	}
	if path, err := exec.LookPath("redis-server"); err == nil {
		return filepath.Abs(path)
	}
	if root, ok := repositoryRoot(); ok {
		if path, err := exec.LookPath(filepath.Join(root, unpacked)); err == nil {
			return path, nil
		}
	}
	return "", ErrNotFound
}

// Args are the arguments of a private redis-server: it listens on the unix
// socket alone, which only its owner may open, keeps nothing on disk, and has
// dir, which must exist, as its working directory. Nothing kept is right for
// us: whatever is in Redis is rebuilt from the log. A socket's path is limited
// by the system to about 100 bytes.
func Args(dir, socket string) []string {
	return []string{
		"--port", "0", "--unixsocket", socket, "--unixsocketperm", "700",
		"--save", "", "--appendonly", "no", "--dir", dir, "--daemonize", "no",
	}
}

// URL is how a client reaches the server that listens on socket.
func URL(socket string) string { return "unix://" + filepath.ToSlash(socket) + "?db=0" }

// repositoryRoot walks up from the working directory to the folder of go.work.
func repositoryRoot() (string, bool) {
	dir, err := os.Getwd()
	if err != nil {
		return "", false
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.work")); err == nil {
			return dir, true
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", false
		}
		dir = up
	}
}
