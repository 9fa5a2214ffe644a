/****************************************************************************
 * @brief	Sum of one to three words, each taken, inverted or dropped.
 *
 * @description
 *	y = sum_n ( keep[n]? d[n] ^ {BITS{invert[n]}} : 0 )
 *
 *	Two words take one LUT a bit, whose outputs are the carry chain's two inputs: o6 is the
 *	sum of both bits and lets a carry pass, else o5, the first bit, becomes the carry.
 *
 *	  d[0], keep[0], invert[0] -->+------+--o6 (propagate) -->+-------+
 *	                              | LUT  |                    | carry |--> y
 *	  d[1], keep[1], invert[1] -->+------+--o5 (generate)  -->+-------+
 *
 *	A third word takes another LUT a bit, whose input is the sum of the first two.
 *
 *	Combinational. An inverted word is 2^BITS-1 - d[n], so not the negative of d[n]: a constant
 *	is missing.
 ***************************************************************************/
module imec_gates import imec_pkg::*; #(
	int unsigned  N,
	int unsigned  BITS,
	int unsigned  PRIMITIVES = XILINX,

	localparam int unsigned  Y_BITS = $clog2(N*(2**BITS-1) + 1)
)(
	input	logic [N-1:0][BITS-1:0]  d,
	input	logic [N-1:0]  keep,
	input	logic [N-1:0]  invert,
	output	logic [Y_BITS-1:0]  y
);
	if(N < 1 || N > 3)  $error("N=%0d must be 1 to 3.", N);

	// Inputs from bit 0 on: d[0], keep[0], invert[0], d[1], invert[1], keep[1]
	function automatic logic [63:0] both();
		automatic logic [63:0]  init;
		for(int unsigned  x = 0; x < 64; x++) begin
			automatic bit  one = 1'(x >> 1) && (1'(x) != 1'(x >> 2));
			automatic bit  two = 1'(x >> 5) && (1'(x >> 3) != 1'(x >> 4));
			init[x] = one != two;
		end
		return  init;
	endfunction : both

	uwire [BITS-1:0]  last = keep[N-1]? d[N-1] ^ {BITS{invert[N-1]}} : '0;
	if(N == 1)  assign  y = last;
	else begin : genPair
		uwire [BITS-1:0]  propagate, generated;
		for(genvar  i = 0; i < BITS; i++) begin : genBit
			imec_lut6x2 #(.INIT(both()), .PRIMITIVES(PRIMITIVES)) lut(
				.i({ keep[1], invert[1], d[1][i], invert[0], keep[0], d[0][i] }), .o6(propagate[i]), .o5(generated[i])
			);
		end : genBit
		// The sum is a bit wider than its terms
		// verilator lint_off WIDTHEXPAND
		uwire [BITS:0]  pair = generated + (generated ^ propagate);
		// verilator lint_on WIDTHEXPAND
		if(N == 2)  assign  y = pair;
		else        assign  y = Y_BITS'(pair) + Y_BITS'(last);
	end : genPair

endmodule : imec_gates
