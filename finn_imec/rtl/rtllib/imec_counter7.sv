/****************************************************************************
 * @brief	Number of ones among N <= 7 bits.
 *
 * @description
 *	n = sum_i d[i]
 *
 *	Up to three bits take one LUT, whose outputs are sum and carry. From four bits on, two
 *	LUTs and a carry chain of two bits. One bit is the carry into the chain. Another, e, is added
 *	with the parity of the others; what these lack of their sum is 0, 2 or 4:
 *
 *	                  rest            rest, e          carry in
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
	int unsigned  PRIMITIVES = XILINX
)(
	input	logic [N-1:0]  d,
	output	logic [2:0]  n
);
	if(N < 1 || N > 7)  $error("N=%0d must be 1 to 7.", N);

	// Outputs for the number of ones among a LUT's first 5 inputs: o5 from `lower`, o6 from `upper`
	function automatic logic [63:0] by_ones(input bit [5:0]  lower, input bit [5:0]  upper);
		automatic logic [63:0]  init;
		for(int unsigned  i = 0; i < 32; i++) begin
			init[i]      = lower[$countones(i)];
			init[i + 32] = upper[$countones(i)];
		end
		return  init;
	endfunction : by_ones

	if(N <= 3) begin : genFull
		imec_lut6x2 #(.INIT(by_ones(6'b001100, 6'b101010)), .PRIMITIVES(PRIMITIVES)) lut(
			.i({ 3'b100, 3'(d) }), .o6(n[0]), .o5(n[1])
		);
		assign	n[2] = 1'b0;
	end : genFull
	else begin : genChain
		uwire [6:0]  x = 7'(d);
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

endmodule : imec_counter7
