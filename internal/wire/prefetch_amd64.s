#include "textflag.h"

// func prefetch(b []byte)
TEXT ·prefetch(SB), NOSPLIT, $0-24
	MOVQ b_base+0(FP), AX
	MOVQ b_len+8(FP), CX

next:
	SUBQ $64, CX // the size of a cache line
	JLE  last
	PREFETCHT0 (AX)
	ADDQ $64, AX
	JMP  next

last:
	PREFETCHT0 (AX)
	RET
