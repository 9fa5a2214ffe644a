// Black boxes of the 7-series primitives that RTL may instantiate by name, with the ports that the
// front end needs (UG953). synth_xilinx then replaces them with Yosys' own models.

(* blackbox *)
module LUT6 #(
	parameter logic [63:0]  INIT = 0
)(
	output	O,
	input	I0, I1, I2, I3, I4, I5
);
endmodule

(* blackbox *)
module LUT6_2 #(
	parameter logic [63:0]  INIT = 0
)(
	output	O6, O5,
	input	I0, I1, I2, I3, I4, I5
);
endmodule

(* blackbox *)
module DSP48E1 #(
	parameter int  ACASCREG = 1,
	parameter int  ADREG = 1,
	parameter int  ALUMODEREG = 1,
	parameter int  AREG = 1,
	parameter      AUTORESET_PATDET = "NO_RESET",
	parameter      A_INPUT = "DIRECT",
	parameter int  BCASCREG = 1,
	parameter int  BREG = 1,
	parameter      B_INPUT = "DIRECT",
	parameter int  CARRYINREG = 1,
	parameter int  CARRYINSELREG = 1,
	parameter int  CREG = 1,
	parameter int  DREG = 1,
	parameter int  INMODEREG = 1,
	parameter int  MREG = 1,
	parameter int  OPMODEREG = 1,
	parameter int  PREG = 1,
	parameter      SEL_MASK = "MASK",
	parameter      SEL_PATTERN = "PATTERN",
	parameter      USE_DPORT = "FALSE",
	parameter      USE_MULT = "MULTIPLY",
	parameter      USE_PATTERN_DETECT = "NO_PATDET",
	parameter      USE_SIMD = "ONE48",
	parameter logic [47:0]  MASK = 48'h3FFFFFFFFFFF,
	parameter logic [47:0]  PATTERN = 0,
	parameter logic [3:0]   IS_ALUMODE_INVERTED = 0,
	parameter logic         IS_CARRYIN_INVERTED = 0,
	parameter logic         IS_CLK_INVERTED = 0,
	parameter logic [4:0]   IS_INMODE_INVERTED = 0,
	parameter logic [6:0]   IS_OPMODE_INVERTED = 0
)(
	output	[29:0]  ACOUT,
	output	[17:0]  BCOUT,
	output	CARRYCASCOUT,
	output	[3:0]  CARRYOUT,
	output	MULTSIGNOUT,
	output	OVERFLOW,
	output	[47:0]  P,
	output	PATTERNBDETECT,
	output	PATTERNDETECT,
	output	[47:0]  PCOUT,
	output	UNDERFLOW,
	input	[29:0]  A,
	input	[29:0]  ACIN,
	input	[3:0]  ALUMODE,
	input	[17:0]  B,
	input	[17:0]  BCIN,
	input	[47:0]  C,
	input	CARRYCASCIN,
	input	CARRYIN,
	input	[2:0]  CARRYINSEL,
	input	CEA1, CEA2, CEAD, CEALUMODE, CEB1, CEB2, CEC, CECARRYIN, CECTRL, CED, CEINMODE, CEM, CEP,
	input	CLK,
	input	[24:0]  D,
	input	[4:0]  INMODE,
	input	MULTSIGNIN,
	input	[6:0]  OPMODE,
	input	[47:0]  PCIN,
	input	RSTA, RSTALLCARRYIN, RSTALUMODE, RSTB, RSTC, RSTCTRL, RSTD, RSTINMODE, RSTM, RSTP
);
endmodule

(* blackbox *)
module MUXF7(
	input	logic  I0, I1, S,
	output	logic  O
);
endmodule : MUXF7

(* blackbox *)
module MUXF8(
	input	logic  I0, I1, S,
	output	logic  O
);
endmodule : MUXF8
