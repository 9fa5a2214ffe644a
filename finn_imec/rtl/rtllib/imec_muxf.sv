/****************************************************************************
 * @brief	Multiplexer of up to four LUTs by the MUXF7 and MUXF8 of their slice.
 *
 * @description
 *	q = d[sel]
 *
 *	  d[0], d[1] -->| MUXF7 |--+
 *	  sel[0] ------>|       |  +-->| MUXF8 |--> q
 *	  d[2], d[3] -->| MUXF7 |--+   |       |
 *	  sel[1] --------------------->|       |
 *
 *	Takes no LUT. d must come straight from LUTs, which nothing else reads.
 ***************************************************************************/
module imec_muxf import imec_pkg::*; #(
	int unsigned  N,
	int unsigned  PRIMITIVES = XILINX
)(
	input	logic [1:0]  sel,
	input	logic [N-1:0]  d,
	output	logic  q
);
	if(N < 1 || N > 4)  $error("N=%0d must be 1 to 4.", N);

	if(N == 1)  assign  q = d[0];
	else if(PRIMITIVES != XILINX)  assign  q = d[sel];
	else if(N == 2)  MUXF7 f7(.I0(d[0]), .I1(d[1]), .S(sel[0]), .O(q));
	else begin : genFour
		uwire [3:0]  x = 4'(d);
		uwire [1:0]  half;
		MUXF7 low(.I0(x[0]), .I1(x[1]), .S(sel[0]), .O(half[0]));
		MUXF7 high(.I0(x[2]), .I1(x[3]), .S(sel[0]), .O(half[1]));
		MUXF8 f8(.I0(half[0]), .I1(half[1]), .S(sel[1]), .O(q));
	end : genFour

endmodule : imec_muxf
