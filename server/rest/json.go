package rest

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/server/session"
)

// The limits of request bodies, in bytes. An app carries the contents of secrets
// and configs, in base64.
const (
	smallBody = 1 << 20
	fileBody  = 2 << 20
	appBody   = 16 << 20
	unlimited = -1
)

// refuse answers with an error.
func (a *API) refuse(w http.ResponseWriter, r *http.Request, err error) {
	err = ended(r.Context(), err)
	if api.CodeOf(err) == api.CodeInternal {
		a.log.Error("could not answer", zap.String("method", r.Method), zap.String("path", r.URL.Path), zap.Error(err))
	}
	session.Refuse(w, err)
}

// ended says why a request failed that was ended from without, as by Server.watchGuests:
// its handler knows only that it was. Nobody hears it whose client has gone.
func ended(ctx context.Context, err error) error {
	cause := context.Cause(ctx)
	var told *api.Error
	switch {
	case !errors.Is(err, context.Canceled) || cause == nil:
		return err
	case errors.As(cause, &told):
		return told
	}
	return api.Errorf(api.CodeUnavailable, "this manager stops: ask another one")
}

// begun is a refusal of what nodes have done already: that nothing was written does not
// mean that nothing is done.
func begun(err error) error {
	if api.ReasonOf(err) != api.ReasonUnwritten {
		return err
	}
	told := *tell(err)
	told.Reason = ""
	return &told
}

// tell makes an error one for the user.
func tell(err error) *api.Error {
	var told *api.Error
	if errors.As(err, &told) {
		return told
	}
	return api.Errorf(api.CodeInternal, "%w", err)
}

// reply answers with JSON.
func reply(w http.ResponseWriter, value any) error {
	data, err := json.Marshal(value)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(append(data, '\n')) // the client may be gone
	return nil
}

// done answers that it is done.
func done(w http.ResponseWriter) error {
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// decode reads a request's body: one JSON value, with no field that it does not
// know.
func decode[T any](r *http.Request) (T, error) {
	return decodeFrom[T](r.Body)
}

func decodeFrom[T any](body io.Reader) (T, error) {
	var value T
	decoder := json.NewDecoder(body)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&value); err != nil {
		return value, badBody(err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return value, api.Invalidf("the request has something after its JSON value")
	}
	return value, nil
}

// decodeOptional is decode, but an empty body is the zero value.
func decodeOptional[T any](r *http.Request) (T, error) {
	value, err := decode[T](r)
	if errors.Is(err, errEmpty) {
		return value, nil
	}
	return value, err
}

var errEmpty = api.Invalidf("the request has no body: JSON is wanted")

func badBody(err error) error {
	var tooLarge *http.MaxBytesError
	switch {
	case errors.Is(err, io.EOF):
		return errEmpty
	case errors.Is(err, io.ErrUnexpectedEOF):
		return api.Invalidf("the request is cut short")
	case errors.As(err, &tooLarge):
		return api.Errorf(api.CodeTooLarge, "the request is larger than %d bytes", tooLarge.Limit)
	}
	return api.Invalidf("the request is not right: %s", strings.TrimPrefix(err.Error(), "json: "))
}

// truth reads a boolean of the query: absent, 0 and false are false.
func truth(r *http.Request, name string) (bool, error) {
	switch text := r.URL.Query().Get(name); text {
	case "", "0", "false":
		return false, nil
	case "1", "true":
		return true, nil
	default:
		return false, api.Invalidf("%s=%q: use 1 or 0", name, text)
	}
}

// instant reads a time of the query: RFC 3339, seconds since 1970, or how long
// ago ("10s").
func instant(r *http.Request, name string, now time.Time) (time.Time, error) {
	text := r.URL.Query().Get(name)
	if text == "" {
		return time.Time{}, nil
	}
	if at, err := time.Parse(time.RFC3339Nano, text); err == nil {
		return at, nil
	}
	if ago, err := time.ParseDuration(text); err == nil {
		return now.Add(-ago), nil
	}
	if seconds, err := strconv.ParseFloat(text, 64); err == nil && seconds > 0 && seconds < 1e11 {
		return time.UnixMicro(int64(seconds * 1e6)), nil
	}
	return time.Time{}, api.Invalidf("%s=%q: want a time such as 2026-01-02T15:04:05Z, or how long ago, such as 10m", name, text)
}
