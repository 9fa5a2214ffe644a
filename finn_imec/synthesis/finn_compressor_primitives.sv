// The 7-series primitives that FINN's compressor trees instantiate (UG953): a black box for synthesis, which
// has the others in xilinx_primitives.sv, and models for simulation.
`ifdef SYNTHESIS

(* blackbox *)
module CARRY4(
	output	[3:0]  CO, O,
	input	CI,
	input	CYINIT,
	input	[3:0]  DI, S
);
endmodule

`else

module CARRY4(
	output	logic [3:0]  CO, O,
	input	logic  CI,
	input	logic  CYINIT,	// open or 0 here
	input	logic [3:0]  DI, S
);
	uwire [4:0]  carry = { CO, CI };
	for(genvar  i = 0; i < 4; i++) begin : genBit
		assign	O[i]  = S[i] ^ carry[i];
		assign	CO[i] = S[i]? carry[i] : DI[i];
	end : genBit
endmodule : CARRY4

module LUT6 #(
	bit [63:0]  INIT = 0
)(
	output	logic  O,
	input	logic  I0, I1, I2, I3, I4, I5
);
	assign	O = INIT[{I5, I4, I3, I2, I1, I0}];
endmodule : LUT6

module LUT6_2 #(
	bit [63:0]  INIT = 0
)(
	output	logic  O6, O5,
	input	logic  I0, I1, I2, I3, I4, I5
);
	assign	O6 = INIT[{I5, I4, I3, I2, I1, I0}];
	assign	O5 = INIT[{1'b0, I4, I3, I2, I1, I0}];
endmodule : LUT6_2

`endif
