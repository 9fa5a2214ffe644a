// Behavioral model of the multiplexer behind two MUXF7 that imec_muxf instantiates (UG953).
module MUXF8(
	input	logic  I0,
	input	logic  I1,
	input	logic  S,
	output	logic  O
);
	assign	O = S? I1 : I0;

endmodule : MUXF8
