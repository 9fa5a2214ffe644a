// Behavioral model of a DSP58 as imec_dsp48 and imec_dsp58 use it (Xilinx AM004): INT24, D - A in the
// pre-adder and one product, or INT8, three products; plus C or PCIN, registers according to the
// parameters, no resets. Other modes stop the simulation.
module DSP58 #(
	parameter string  AMULTSEL = "A",
	parameter string  DSP_MODE = "INT24",
	parameter      BMULTSEL = "B",
	parameter      PREADDINSEL = "A",
	parameter      USE_MULT = "MULTIPLY",
	parameter int  ACASCREG = 1,
	parameter int  ADREG = 1,
	parameter int  ALUMODEREG = 1,
	parameter int  AREG = 1,
	parameter int  BCASCREG = 1,
	parameter int  BREG = 1,
	parameter int  CARRYINREG = 1,
	parameter int  CARRYINSELREG = 1,
	parameter int  CREG = 1,
	parameter int  DREG = 1,
	parameter int  INMODEREG = 1,
	parameter int  MREG = 1,
	parameter int  OPMODEREG = 1,
	parameter int  PREG = 1
)(
	output	[33:0]  ACOUT,
	output	[23:0]  BCOUT,
	output	CARRYCASCOUT,
	output	[3:0]  CARRYOUT,
	output	MULTSIGNOUT,
	output	OVERFLOW,
	output	[57:0]  P,
	output	PATTERNBDETECT,
	output	PATTERNDETECT,
	output	[57:0]  PCOUT,
	output	UNDERFLOW,
	output	[7:0]  XOROUT,
	input	[33:0]  A,
	input	[33:0]  ACIN,
	input	[3:0]  ALUMODE,
	input	[23:0]  B,
	input	[23:0]  BCIN,
	input	[57:0]  C,
	input	CARRYCASCIN,
	input	CARRYIN,
	input	[2:0]  CARRYINSEL,
	input	CEA1, CEA2, CEAD, CEALUMODE, CEB1, CEB2, CEC, CECARRYIN, CECTRL, CED, CEINMODE, CEM, CEP,
	input	CLK,
	input	[26:0]  D,
	input	[4:0]  INMODE,
	input	MULTSIGNIN,
	input	[2:0]  NEGATE,
	input	ASYNC_RST,
	input	[8:0]  OPMODE,
	input	[57:0]  PCIN,
	input	RSTA, RSTALLCARRYIN, RSTALUMODE, RSTB, RSTC, RSTCTRL, RSTD, RSTINMODE, RSTM, RSTP
);
	localparam bit  DOT = DSP_MODE == "INT8";
	initial begin
		if(!DOT && (DSP_MODE != "INT24" || AMULTSEL != "AD" || INMODE != 5'b01100 || AREG == 2 || ADREG != 1))
			$error("%m: a mode of one product that this model does not have.");
		if(DOT && (AMULTSEL != "A" || INMODE != 5'b00000 || AREG == 0 || ADREG != 0 || DREG != 0))
			$error("%m: a mode of three products that this model does not have.");
		if(BMULTSEL != "B" || PREADDINSEL != "A" || USE_MULT != "MULTIPLY" || ALUMODE != 0 || NEGATE != 0 ||
			CARRYIN || CARRYINSEL != 0 || OPMODE[3:0] != 4'b0101 || !(OPMODE[8:4] inside { 5'b00001, 5'b00011 }) ||
			BREG == 0 || MREG != 1 || PREG != 1 || CREG != 0)
			$error("%m: a mode that this model does not have.");
		if(ALUMODEREG + CARRYINREG + CARRYINSELREG + INMODEREG + OPMODEREG != 0 || ASYNC_RST ||
			RSTA || RSTALLCARRYIN || RSTALUMODE || RSTB || RSTC || RSTCTRL || RSTD || RSTINMODE || RSTM || RSTP)
			$error("%m: a register or reset that this model does not have.");
	end

	logic [26:0]  A1, A2, D1;
	logic [23:0]  B1, B2;
	logic signed [26:0]  AD;
	logic signed [50:0]  M;
	logic [57:0]  Sum;
	uwire signed [50:0]  product = AD * signed'(B2);
	logic signed [50:0]  dot;
	always_comb begin
		dot = 0;
		for(int  i = 0; i < 3; i++)  dot += 51'(signed'(A2[9*i +: 9])) * 51'(signed'(B2[8*i +: 8]));
	end
	always_ff @(posedge CLK) begin
		if(CEA1)  A1 <= A[26:0];
		if(CEA2)  A2 <= AREG == 2? A1 : A[26:0];
		if(CED)   D1 <= D;
		if(CEB1)  B1 <= B;
		if(CEB2)  B2 <= BREG == 2? B1 : B;
		if(CEAD)  AD <= (DREG != 0? D1 : D) - (AREG != 0? A2 : A[26:0]);
		if(CEM)   M <= DOT? dot : product;
		if(CEP)   Sum <= 58'(M) + (OPMODE[5]? C : PCIN);
	end
	assign	P = Sum;
	assign	PCOUT = Sum;
	assign	{ ACOUT, BCOUT, CARRYCASCOUT, CARRYOUT, MULTSIGNOUT, XOROUT } = '0;
	assign	{ OVERFLOW, PATTERNBDETECT, PATTERNDETECT, UNDERFLOW } = '0;

endmodule : DSP58
