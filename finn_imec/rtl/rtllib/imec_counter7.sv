/****************************************************************************
 * @brief	Number of ones among N <= 7 bits.
 *
 * @description
 *	n = sum_i d[i]
 *
 *	   N      | CHAIN |
 *	  --------+-------+---------------------------------------------------
 *	   1 to 3 |  any  | one LUT, its outputs sum and carry
 *	   4 to 6 |   0   | one LUT per bit of n: faster than a chain
 *	   4 to 7 |   1   | two LUTs and a carry chain of two bits
 *
 *	The chain adds the parity of five bits to a sixth, with a seventh as its carry in. What the
 *	parity lacks of the five bits' number is 0, 2 or 4, that is 0, 1 or both at its second bit:
 *
 *	               five bits      five bits, sixth     seventh
 *	                   |                |                 |
 *	               +-------+        +-------+             |
 *	               |  LUT  |        |  LUT  |             |
 *	               +-------+        +-------+             |
 *	       4 (generate) | 2 (propagate)  | parity         |
 *	  n[2] <---------- carry <--------- carry <-----------+
 *	                    |                |
 *	                   n[1]             n[0]
 *
 *	Combinational.
 ***************************************************************************/
module imec_counter7 import imec_pkg::*; #(
	int unsigned  N,
	bit  CHAIN = 1,
	int unsigned  PRIMITIVES = XILINX
)(
	input	logic [N-1:0]  d,
	output	logic [2:0]  n
);
	localparam int unsigned  MOST = CHAIN? 7 : 6;
	if(N < 1 || N > MOST)  $error("N=%0d must be 1 to %0d.", N, MOST);

	// Outputs for the number of ones among a LUT's first 5 inputs: o5 from `lower`, o6 from `upper`
	function automatic logic [63:0] by_ones(input bit [5:0]  lower, input bit [5:0]  upper);
		automatic logic [63:0]  init;
		for(int unsigned  i = 0; i < 32; i++) begin
			init[i]      = lower[$countones(i)];
			init[i + 32] = upper[$countones(i)];
		end
		return  init;
	endfunction : by_ones

	// Bit k of the number of ones among a LUT's 6 inputs
	function automatic logic [63:0] ones(input int unsigned  k);
		automatic logic [63:0]  init;
		for(int unsigned  i = 0; i < 64; i++)  init[i] = 1'($countones(i) >> k);
		return  init;
	endfunction : ones

	if(N <= 3) begin : genFull
		imec_lut6x2 #(.INIT(by_ones(6'b001100, 6'b101010)), .PRIMITIVES(PRIMITIVES)) lut(
			.i({ 3'b100, 3'(d) }), .o6(n[0]), .o5(n[1])
		);
		assign	n[2] = 1'b0;
	end : genFull
	else if(CHAIN) begin : genChain
		uwire [6:0]  x = { d[N-1], 6'(d[N-2:0]) };	// with a carry in, so that parity drives nothing but the chain
		uwire [1:0]  propagate, generated;
		imec_lut6 #(.INIT(by_ones(6'b101010, 6'b010101)), .PRIMITIVES(PRIMITIVES)) parity(.i({ x[0], x[5:1] }), .o(propagate[0]));
		assign	generated[0] = x[0];
		imec_lut6x2 #(.INIT(by_ones(6'b110000, 6'b001100)), .PRIMITIVES(PRIMITIVES)) rest(
			.i({ 1'b1, x[5:1] }), .o6(propagate[1]), .o5(generated[1])
		);
		// The carry into the chain is that of the bits to the right
		uwire [3:0]  sum = { 1'b0, generated, x[6] } + { 1'b0, generated ^ propagate, x[6] };
		assign	n = sum[3:1];
	end : genChain
	else begin : genLut
		for(genvar  k = 0; k < 3; k++) begin : genBit
			imec_lut6 #(.INIT(ones(k)), .PRIMITIVES(PRIMITIVES)) lut(.i(6'(d)), .o(n[k]));
		end : genBit
	end : genLut

endmodule : imec_counter7
