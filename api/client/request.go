package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/sleep"
)

const (
	// retries of a GET that the manager could not answer just now, and the pause
	// before the first, which doubles.
	retries    = 3
	firstPause = 100 * time.Millisecond
	// maxError bounds the body of an error, in bytes.
	maxError = 64 << 10
)

// path joins the parts of a route; references are escaped.
func path(parts ...string) string {
	joined := "/v1"
	for _, part := range parts {
		joined += "/" + url.PathEscape(part)
	}
	return joined
}

// leadsElsewhere refuses what no escaping keeps in its place: without a name, or with
// one of dots, a path is that of another route.
func leadsElsewhere(path string) error {
	for part := range strings.SplitSeq(path[1:], "/") {
		switch part {
		case "":
			return api.Invalidf("a name or an ID is needed")
		case ".", "..":
			return api.NotFoundf("there is nothing with the name or ID %s", part)
		}
	}
	return nil
}

// get reads JSON. It tries again while the manager is not available: reading
// twice does no harm.
func get[T any](ctx context.Context, c *Client, path string, query url.Values) (T, error) {
	pause := firstPause
	for attempt := 0; ; attempt++ {
		answer, err := exchange[T](ctx, c, http.MethodGet, path, query, nil)
		if err == nil || attempt == retries || !answered(err) {
			return answer, err
		}
		if sleep.For(ctx, pause) != nil {
			return answer, err
		}
		pause *= 2
	}
}

// refusal is an error that a manager answered, in contrast to one of the way.
type refusal struct{ told *api.Error }

func (r refusal) Error() string { return r.told.Message }
func (r refusal) Unwrap() error { return r.told }

// answered says that a manager was there, but could not answer now.
func answered(err error) bool {
	var r refusal
	return errors.As(err, &r) && r.told.Code == api.CodeUnavailable
}

// exchange sends body as JSON, unless it is nil, and reads JSON.
func exchange[T any](ctx context.Context, c *Client, method, path string, query url.Values, body any) (T, error) {
	var answer T
	var reader io.Reader
	if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			return answer, fmt.Errorf("encode the request: %w", err)
		}
		reader = bytes.NewReader(data)
	}
	response, err := c.send(ctx, method, path, query, reader, "application/json")
	if err != nil {
		return answer, err
	}
	defer response.Body.Close()
	if response.StatusCode == http.StatusNoContent {
		return answer, nil
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return answer, c.explain(fmt.Errorf("read the answer: %w", err))
	}
	return answer, nil
}

// nothing is the answer of a route that has none.
type nothing struct{}

func call(ctx context.Context, c *Client, method, path string, query url.Values, body any) error {
	_, err := exchange[nothing](ctx, c, method, path, query, body)
	return err
}

// send makes a request. The caller closes the body of a response, which has
// status 2xx.
func (c *Client) send(ctx context.Context, method, path string, query url.Values, body io.Reader, kind string) (*http.Response, error) {
	if err := leadsElsewhere(path); err != nil {
		return nil, err
	}
	target := c.base + path
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	request, err := http.NewRequestWithContext(ctx, method, target, body)
	if err != nil {
		return nil, fmt.Errorf("make the request: %w", err)
	}
	if body != nil {
		request.Header.Set("Content-Type", kind)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return nil, c.explain(err)
	}
	if response.StatusCode/100 != 2 {
		defer response.Body.Close()
		return nil, refused(response)
	}
	if why := response.Header.Get(api.StaleHeader); why != "" && c.stale != nil {
		c.stale(why)
	}
	return response, nil
}

// refused decodes an error.
func refused(response *http.Response) error {
	told := &api.Error{}
	data, err := io.ReadAll(io.LimitReader(response.Body, maxError))
	if err == nil && json.Unmarshal(data, told) == nil && told.Code != "" && told.Message != "" {
		return refusal{told}
	}
	return refusal{api.Errorf(api.CodeInternal, "the manager answered %s", response.Status)}
}
