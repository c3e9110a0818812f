package httpapi

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"syscall"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

var errBadRequest = errors.New("request cannot be built")

// exchange sends r over rt, bare: http.Client would follow redirects, keep
// cookies and put the URL into its errors.
func exchange(ctx context.Context, rt http.RoundTripper, o Options, r Request, shape func(*http.Request)) (answer Answer, err error) {
	ctx, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	if r.Method == "" {
		r.Method = http.MethodPost
	}
	ctx, end := span(ctx, o.Tracer, r)
	defer func() { end(answer.Status, err) }()

	req, err := http.NewRequestWithContext(ctx, r.Method, r.URL, bytes.NewReader(r.Body))
	if err != nil || req.URL.Host == "" {
		return Answer{}, errBadRequest
	}
	for k, v := range r.Header {
		req.Header[k] = append([]string(nil), v...)
	}
	for _, k := range []string{"Idempotency-Key", "X-Idempotency-Key", "Baggage", "Expect"} {
		req.Header.Del(k)
	}
	propagation.TraceContext{}.Inject(ctx, propagation.HeaderCarrier(req.Header))
	shape(req)

	res, err := rt.RoundTrip(req)
	if err != nil {
		return Answer{}, err
	}
	defer func() { _ = res.Body.Close() }()
	answer = Answer{Status: res.StatusCode, Header: res.Header}
	answer.Body, err = io.ReadAll(io.LimitReader(res.Body, o.MaxAnswer+1))
	if int64(len(answer.Body)) > o.MaxAnswer {
		answer.Body, answer.Cut = answer.Body[:o.MaxAnswer], true
	}
	return answer, err
}

// span starts a client span where there is a tracer. It names the operation,
// not the URL, and nothing of the bodies.
func span(ctx context.Context, tracer trace.Tracer, r Request) (context.Context, func(int, error)) {
	if tracer == nil {
		return ctx, func(int, error) {}
	}
	ctx, s := tracer.Start(ctx, r.Operation, trace.WithSpanKind(trace.SpanKindClient),
		trace.WithAttributes(attribute.String("http.request.method", r.Method)))
	return ctx, func(status int, err error) {
		if status != 0 {
			s.SetAttributes(attribute.Int("http.response.status_code", status))
		}
		switch {
		case err != nil:
			s.SetStatus(codes.Error, "no whole answer")
		case status >= http.StatusBadRequest:
			s.SetStatus(codes.Error, http.StatusText(status))
		}
		s.End()
	}
}

func codeOf(a Answer) string {
	if a.Status != 0 {
		return "broken_reply"
	}
	return "no_reply"
}

// plain reduces a transport's error to words of our own: net/http quotes what
// a broken answer said, and that may be anything.
func plain(ctx context.Context, err error) error {
	var dns *net.DNSError
	var cert *tls.CertificateVerificationError
	var unknown x509.UnknownAuthorityError
	var record tls.RecordHeaderError
	var timeout net.Error
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, context.DeadlineExceeded):
		return context.DeadlineExceeded
	case errors.Is(err, errTooLate):
		return errTooLate
	case errors.Is(err, syscall.ECONNREFUSED):
		return syscall.ECONNREFUSED
	case errors.Is(err, syscall.ECONNRESET):
		return syscall.ECONNRESET
	case errors.As(err, &dns):
		return errors.New("the provider's name does not resolve")
	case errors.As(err, &cert), errors.As(err, &unknown), errors.As(err, &record):
		return errors.New("the provider's TLS certificate or handshake failed")
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return io.ErrUnexpectedEOF
	case errors.As(err, &timeout) && timeout.Timeout():
		return errors.New("timed out")
	}
	return errors.New("the exchange broke")
}
