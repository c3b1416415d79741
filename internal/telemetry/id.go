package telemetry

import "encoding/hex"

// UUID is the usual text form of a record's id, the same in spans and in logs.
func UUID(id [16]byte) string {
	var text [36]byte
	hex.Encode(text[0:], id[:4])
	hex.Encode(text[9:], id[4:6])
	hex.Encode(text[14:], id[6:8])
	hex.Encode(text[19:], id[8:10])
	hex.Encode(text[24:], id[10:])
	text[8], text[13], text[18], text[23] = '-', '-', '-', '-'
	return string(text[:])
}
