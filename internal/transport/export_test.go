package transport

// DescribeForeign is describeForeign.
func DescribeForeign(b []byte) string { return describeForeign(b) }
