package session

import (
	"encoding/json"
	"errors"
	"net/http"

	"github.com/orc-project/orc/api"
)

var statuses = map[api.Code]int{
	api.CodeInvalid: http.StatusBadRequest, api.CodeUnauthorized: http.StatusUnauthorized,
	api.CodeForbidden: http.StatusForbidden, api.CodeNotFound: http.StatusNotFound,
	api.CodeConflict: http.StatusConflict, api.CodeTooLarge: http.StatusRequestEntityTooLarge,
	api.CodeUnavailable: http.StatusServiceUnavailable,
}

// Refuse answers with an error as the API does.
func Refuse(w http.ResponseWriter, err error) {
	var told *api.Error
	if !errors.As(err, &told) {
		told = api.Errorf(api.CodeInternal, "%w", err)
	}
	status, known := statuses[told.Code]
	if !known {
		status = http.StatusInternalServerError
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(told) // the client may be gone
}
