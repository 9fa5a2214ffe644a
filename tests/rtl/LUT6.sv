// Behavioral model of the primitive that imec_lut6 instantiates (UG953).
module LUT6 #(
	logic [63:0]  INIT
)(
	input	logic  I0,
	input	logic  I1,
	input	logic  I2,
	input	logic  I3,
	input	logic  I4,
	input	logic  I5,
	output	logic  O
);
	assign	O = INIT[{ I5, I4, I3, I2, I1, I0 }];

endmodule : LUT6
