package encoding

// The errors of Append and Decode.
var (
	ErrUnknown   = errUnknown
	ErrMalformed = errMalformed
)
