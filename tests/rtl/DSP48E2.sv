// Behavioral model of a DSP48E2 as imec_dsp48 uses it (Xilinx UG579): D - A in the pre-adder, product
// plus C or PCIN, registers according to the parameters, no resets. Other modes stop the simulation.
module DSP48E2 #(
	parameter      AMULTSEL = "A",
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
	output	[7:0]  XOROUT,
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
	input	[26:0]  D,
	input	[4:0]  INMODE,
	input	MULTSIGNIN,
	input	[8:0]  OPMODE,
	input	[47:0]  PCIN,
	input	RSTA, RSTALLCARRYIN, RSTALUMODE, RSTB, RSTC, RSTCTRL, RSTD, RSTINMODE, RSTM, RSTP
);
	initial begin
		if(AMULTSEL != "AD" || BMULTSEL != "B" || PREADDINSEL != "A" || USE_MULT != "MULTIPLY" || INMODE != 5'b01100 || ALUMODE != 0 ||
			CARRYIN || CARRYINSEL != 0 || OPMODE[3:0] != 4'b0101 || !(OPMODE[8:4] inside { 5'b00001, 5'b00011 }) ||
			AREG == 2 || ADREG != 1 || BREG == 0 || MREG != 1 || PREG != 1 || CREG != 0)
			$error("%m: a mode that this model does not have.");
		if(ALUMODEREG + CARRYINREG + CARRYINSELREG + INMODEREG + OPMODEREG != 0 ||
			RSTA || RSTALLCARRYIN || RSTALUMODE || RSTB || RSTC || RSTCTRL || RSTD || RSTINMODE || RSTM || RSTP)
			$error("%m: a register or reset that this model does not have.");
	end

	logic [26:0]  A2, D1;
	logic [17:0]  B1, B2;
	logic signed [26:0]  AD;
	logic signed [44:0]  M;
	logic [47:0]  Sum;
	always_ff @(posedge CLK) begin
		if(CEA2)  A2 <= A[26:0];
		if(CED)   D1 <= D;
		if(CEB1)  B1 <= B;
		if(CEB2)  B2 <= BREG == 2? B1 : B;
		if(CEAD)  AD <= (DREG != 0? D1 : D) - (AREG != 0? A2 : A[26:0]);
		if(CEM)   M <= AD * signed'(B2);
		if(CEP)   Sum <= 48'(M) + (OPMODE[5]? C : PCIN);
	end
	assign	P = Sum;
	assign	PCOUT = Sum;
	assign	{ ACOUT, BCOUT, CARRYCASCOUT, CARRYOUT, MULTSIGNOUT, XOROUT } = '0;
	assign	{ OVERFLOW, PATTERNBDETECT, PATTERNDETECT, UNDERFLOW } = '0;

endmodule : DSP48E2
