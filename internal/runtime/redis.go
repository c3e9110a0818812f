package runtime

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/outdial/outdial/internal/sessions"
	"github.com/outdial/outdial/internal/sessions/redisbin"
)

// Sessions opens the projection: Redis where one is configured or found, else
// memory, which is said loudly. stop ends what was started.
func (s Setup) Sessions(ctx context.Context, logger *slog.Logger) (store sessions.Store, what string, stop func(), err error) {
	stop = func() {}
	if url := s.Config.Redis.URL.Reveal(); url != "" {
		store, err = redisStore(url, logger)
		return store, "Redis at " + s.Config.Redis.URL.String(), stop, err
	}
	path, err := redisbin.Find()
	if errors.Is(err, redisbin.ErrNotFound) {
		logger.Warn("no Redis: agents' sessions are kept in memory and rebuilt from the log at every start")
		return sessions.NewMemory(nil), "memory (no redis-server found; see `make redis`)", stop, nil
	}
	if err != nil {
		return nil, "", stop, err
	}
	dir, err := os.MkdirTemp("", "outdial-redis-")
	if err != nil {
		return nil, "", stop, err
	}
	c := &redisChild{path: path, dir: dir, logger: logger}
	stop, err = c.keep(ctx)
	if err != nil {
		return nil, "", func() {}, err
	}
	store, err = redisStore(redisbin.URL(c.socket()), logger)
	return store, "a redis-server of our own (" + path + ")", stop, err
}

func redisStore(url string, logger *slog.Logger) (sessions.Store, error) {
	client, err := sessions.Dial(url)
	if err != nil {
		return nil, err
	}
	return sessions.NewRedis(client, func(kind string) {
		logger.Warn("Redis has lost or spoiled a part of the agents' sessions; it is rebuilt from the log", "part", kind)
	}), nil
}

// A redisChild is a private redis-server in a folder of its own.
type redisChild struct {
	path, dir string
	logger    *slog.Logger
}

// childPause is how long a child that ended is left alone: one that cannot
// live is not started more often.
const childPause = time.Second

func (c *redisChild) socket() string { return filepath.Join(c.dir, "redis.sock") }

func (c *redisChild) start() (*exec.Cmd, error) {
	cmd := exec.Command(c.path, redisbin.Args(c.dir, c.socket())...)
	cmd.SysProcAttr = childAttr()
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start redis-server: %w", err)
	}
	return cmd, nil
}

// keep runs the server, and runs it again when somebody ends it, until stop.
// What was in it is rebuilt from the log.
func (c *redisChild) keep(ctx context.Context) (stop func(), err error) {
	cmd, err := c.start()
	if err != nil {
		_ = os.RemoveAll(c.dir)
		return nil, err
	}
	quit, gone := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(gone)
		defer func() { _ = os.RemoveAll(c.dir) }()
		for {
			ended := make(chan struct{})
			go func() { _ = cmd.Wait(); close(ended) }()
			select {
			case <-quit:
				_ = cmd.Process.Kill()
				<-ended
				return
			case <-ended:
			}
			c.logger.Warn("our redis-server ended; it is started again, and the sessions are rebuilt from the log")
			for cmd = nil; cmd == nil; {
				select {
				case <-quit:
					return
				case <-time.After(childPause):
				}
				var failed error
				if cmd, failed = c.start(); failed != nil {
					c.logger.Error("our redis-server does not start", "error", failed.Error())
				}
			}
		}
	}()
	stop = func() { close(quit); <-gone }
	if err := c.await(ctx); err != nil {
		stop()
		return nil, err
	}
	return stop, nil
}

// await waits until the server answers.
func (c *redisChild) await(ctx context.Context) error {
	client, err := sessions.Dial(redisbin.URL(c.socket()))
	if err != nil {
		return err
	}
	defer func() { _ = client.Close() }()
	for deadline := time.Now().Add(5 * time.Second); ; {
		err := client.Ping(ctx).Err()
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("redis-server did not answer: %w", err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
}
