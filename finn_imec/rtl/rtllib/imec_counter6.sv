/****************************************************************************
 * @brief	Number of ones among N <= 6 bits.
 *
 * @description
 *	n = sum_i d[i]
 *
 *	From four bits on, one LUT6 per output bit; below, logic that fits the two
 *	outputs of one LUT.
 *
 *	Combinational.
 ***************************************************************************/
module imec_counter6 import imec_pkg::*; #(
	int unsigned  N,
	int unsigned  PRIMITIVES = XILINX
)(
	input	logic [N-1:0]  d,
	output	logic [2:0]  n
);
	if(N < 1 || N > 6)  $error("N=%0d must be 1 to 6.", N);

	// Bit k of the number of ones, for each of the 64 inputs
	function automatic logic [63:0] ones(input int unsigned  k);
		automatic logic [63:0]  init;
		for(int unsigned  i = 0; i < 64; i++)  init[i] = 1'($countones(i) >> k);
		return  init;
	endfunction : ones

	if(N <= 3) begin : genLogic
		uwire [2:0]  x = 3'(d);
		assign	n = { 1'b0, (x[0] & x[1]) | (x[1] & x[2]) | (x[0] & x[2]), ^x };
	end : genLogic
	else begin : genLut
		for(genvar  k = 0; k < 3; k++) begin : genBit
			imec_lut6 #(.INIT(ones(k)), .PRIMITIVES(PRIMITIVES)) lut(.i(6'(d)), .o(n[k]));
		end : genBit
	end : genLut

endmodule : imec_counter6
