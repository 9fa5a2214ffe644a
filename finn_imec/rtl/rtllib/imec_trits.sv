/****************************************************************************
 * @brief	Ternary weights, from three in five bits to two bits each.
 *
 * @description
 *	d has N weights of -1, 0 and 1: from bit 0 on, three in five bits each, and from
 *	5*(N/3) on, the one or two weights left in two bits each, as in q:
 *
 *	  t = t0 + 3*t1 + 9*t2,   weight = t == 2? -1 : t
 *
 *	  d:  | q[N-1] |   ...   | q[5..3] | q[2..0] |
 *	          2                   5         5        bits
 *
 *	Each of three weights is a LUT with both of its outputs:
 *
 *	  d[4:0] --+-->| LUT6_2 |--> q[0]
 *	           +-->| LUT6_2 |--> q[1]
 *	           +-->| LUT6_2 |--> q[2]
 *
 *	Combinational; does not check that five bits are below 27.
 ***************************************************************************/
module imec_trits import imec_pkg::*; #(
	int unsigned  N,
	int unsigned  PRIMITIVES = XILINX,

	localparam int unsigned  THREES = N/3,
	localparam int unsigned  LEFT = N%3,
	localparam int unsigned  BITS = 5*THREES + 2*LEFT
)(
	input	logic [BITS-1:0]  d,
	output	logic [N-1:0][1:0]  q
);
	if(N < 1)  $error("N=%0d must be at least 1.", N);

	function automatic logic [63:0] init(input int unsigned  place);
		automatic logic [63:0]  bits = '0;
		for(int unsigned  i = 0; i < 27; i++) begin
			automatic int unsigned  t = place == 0? i%3 : place == 1? i/3%3 : i/9;
			bits[i]    = t != 0;	// o5: the low bit
			bits[32+i] = t == 2;	// o6: the sign
		end
		return  bits;
	endfunction : init

	for(genvar  n = 0; n < THREES; n++) begin : genThree
		for(genvar  k = 0; k < 3; k++) begin : genWeight
			imec_lut6x2 #(.INIT(init(k)), .PRIMITIVES(PRIMITIVES)) lut(
				.i({ 1'b1, d[5*n +: 5] }), .o6(q[3*n+k][1]), .o5(q[3*n+k][0])
			);
		end : genWeight
	end : genThree
	if(LEFT > 0) begin : genLeft
		assign	q[3*THREES +: LEFT] = d[5*THREES +: 2*LEFT];
	end : genLeft

endmodule : imec_trits
