/****************************************************************************
 * @brief	One DSP slice of a multiply-add cascade.
 *
 * @description
 *	p = (d - a)*b + (HEAD? C : pcin)
 *
 *	with d, a, b from 3 steps before, 4 if LATE, and pcin from one step before. A
 *	step is a cycle with en high. All registers are inside the slice:
 *
 *	  d -[LATE]--+
 *	             - --|AD|--+
 *	  a -[LATE]--+         * --|M|--+
 *	  b -[LATE]------|B|---+        + --|P|--> p, pcout
 *	                   C or pcin ---+
 *
 *	pcout drives only the pcin of the next slice.
 *
 *	VERSION: 1 DSP48E1, 2 DSP48E2, 3 DSP58, as in FINN's mvu.sv. They differ in width.
 ***************************************************************************/
module imec_dsp48 import imec_pkg::*; #(
	int unsigned  VERSION = 1,
	localparam int unsigned  W_PORT = dsp_w_bits(VERSION),
	localparam int unsigned  A_PORT = dsp_a_bits(VERSION),
	localparam int unsigned  P_BITS = dsp_p_bits(VERSION),

	parameter bit  HEAD,
	bit  LATE,
	logic [P_BITS-1:0]  C = 0,
	int unsigned  PRIMITIVES = XILINX
)(
	input	logic  clk,

	input	logic  en,
	input	logic signed [W_PORT-1:0]  d,
	input	logic signed [W_PORT-1:0]  a,
	input	logic signed [A_PORT-1:0]  b,
	input	logic [P_BITS-1:0]  pcin,
	output	logic [P_BITS-1:0]  p,
	output	logic [P_BITS-1:0]  pcout
);
	if(VERSION < 1 || VERSION > 3)  $error("VERSION=%0d must be 1 to 3.", VERSION);

	if(PRIMITIVES == XILINX && VERSION == 1) begin : genXilinx
		DSP48E1 #(
			.USE_DPORT("TRUE"), .USE_MULT("MULTIPLY"),
			.AREG(32'(LATE)), .ACASCREG(32'(LATE)), .DREG(32'(LATE)), .ADREG(1),
			.BREG(1 + 32'(LATE)), .BCASCREG(1 + 32'(LATE)), .MREG(1), .PREG(1), .CREG(0),
			.ALUMODEREG(0), .CARRYINREG(0), .CARRYINSELREG(0), .INMODEREG(0), .OPMODEREG(0)
		) slice(
			.CLK(clk),
			.INMODE(5'b01100),	// D - A2, B2
			.OPMODE(HEAD? 7'b011_01_01 : 7'b001_01_01),	// product + C or PCIN
			.ALUMODE(4'b0000), .CARRYIN(1'b0), .CARRYINSEL(3'b000),
			.A({ {5{a[24]}}, a }), .B(b), .C(C), .D(d),
			.P(p), .PCIN(pcin), .PCOUT(pcout),
			.CEA1(1'b0), .CEA2(en), .CED(en), .CEAD(en), .CEB1(en), .CEB2(en), .CEM(en), .CEP(en),
			.CEALUMODE(1'b0), .CEC(1'b0), .CECARRYIN(1'b0), .CECTRL(1'b0), .CEINMODE(1'b0),
			.RSTA(1'b0), .RSTB(1'b0), .RSTC(1'b0), .RSTD(1'b0), .RSTM(1'b0), .RSTP(1'b0),
			.RSTALLCARRYIN(1'b0), .RSTALUMODE(1'b0), .RSTCTRL(1'b0), .RSTINMODE(1'b0),
			.ACIN('0), .BCIN('0), .CARRYCASCIN(1'b0), .MULTSIGNIN(1'b0),
			.ACOUT(), .BCOUT(), .CARRYCASCOUT(), .MULTSIGNOUT(), .CARRYOUT(),
			.OVERFLOW(), .UNDERFLOW(), .PATTERNDETECT(), .PATTERNBDETECT()
		);
	end : genXilinx
	else if(PRIMITIVES == XILINX && VERSION == 2) begin : genE2
		DSP48E2 #(
			.AMULTSEL("AD"), .BMULTSEL("B"), .PREADDINSEL("A"), .USE_MULT("MULTIPLY"),
			.AREG(32'(LATE)), .ACASCREG(32'(LATE)), .DREG(32'(LATE)), .ADREG(1),
			.BREG(1 + 32'(LATE)), .BCASCREG(1 + 32'(LATE)), .MREG(1), .PREG(1), .CREG(0),
			.ALUMODEREG(0), .CARRYINREG(0), .CARRYINSELREG(0), .INMODEREG(0), .OPMODEREG(0)
		) slice(
			.CLK(clk),
			.INMODE(5'b01100),	// D - A2, B2
			.OPMODE(HEAD? 9'b00_011_01_01 : 9'b00_001_01_01),	// product + C or PCIN
			.ALUMODE(4'b0000), .CARRYIN(1'b0), .CARRYINSEL(3'b000),
			.A({ {3{a[26]}}, a }), .B(b), .C(C), .D(d),
			.P(p), .PCIN(pcin), .PCOUT(pcout),
			.CEA1(1'b0), .CEA2(en), .CED(en), .CEAD(en), .CEB1(en), .CEB2(en), .CEM(en), .CEP(en),
			.CEALUMODE(1'b0), .CEC(1'b0), .CECARRYIN(1'b0), .CECTRL(1'b0), .CEINMODE(1'b0),
			.RSTA(1'b0), .RSTB(1'b0), .RSTC(1'b0), .RSTD(1'b0), .RSTM(1'b0), .RSTP(1'b0),
			.RSTALLCARRYIN(1'b0), .RSTALUMODE(1'b0), .RSTCTRL(1'b0), .RSTINMODE(1'b0),
			.ACIN('0), .BCIN('0), .CARRYCASCIN(1'b0), .MULTSIGNIN(1'b0),
			.ACOUT(), .BCOUT(), .CARRYCASCOUT(), .MULTSIGNOUT(), .CARRYOUT(), .XOROUT(),
			.OVERFLOW(), .UNDERFLOW(), .PATTERNDETECT(), .PATTERNBDETECT()
		);
	end : genE2
	else if(PRIMITIVES == XILINX) begin : gen58
		DSP58 #(
			.DSP_MODE("INT24"),
			.AMULTSEL("AD"), .BMULTSEL("B"), .PREADDINSEL("A"), .USE_MULT("MULTIPLY"),
			.AREG(32'(LATE)), .ACASCREG(32'(LATE)), .DREG(32'(LATE)), .ADREG(1),
			.BREG(1 + 32'(LATE)), .BCASCREG(1 + 32'(LATE)), .MREG(1), .PREG(1), .CREG(0),
			.ALUMODEREG(0), .CARRYINREG(0), .CARRYINSELREG(0), .INMODEREG(0), .OPMODEREG(0)
		) slice(
			.CLK(clk),
			.INMODE(5'b01100),	// D - A2, B2
			.OPMODE(HEAD? 9'b00_011_01_01 : 9'b00_001_01_01),	// product + C or PCIN
			.ALUMODE(4'b0000), .CARRYIN(1'b0), .CARRYINSEL(3'b000),
			.NEGATE(3'b000), .ASYNC_RST(1'b0),
			.A({ {7{a[26]}}, a }), .B(b), .C(C), .D(d),
			.P(p), .PCIN(pcin), .PCOUT(pcout),
			.CEA1(1'b0), .CEA2(en), .CED(en), .CEAD(en), .CEB1(en), .CEB2(en), .CEM(en), .CEP(en),
			.CEALUMODE(1'b0), .CEC(1'b0), .CECARRYIN(1'b0), .CECTRL(1'b0), .CEINMODE(1'b0),
			.RSTA(1'b0), .RSTB(1'b0), .RSTC(1'b0), .RSTD(1'b0), .RSTM(1'b0), .RSTP(1'b0),
			.RSTALLCARRYIN(1'b0), .RSTALUMODE(1'b0), .RSTCTRL(1'b0), .RSTINMODE(1'b0),
			.ACIN('0), .BCIN('0), .CARRYCASCIN(1'b0), .MULTSIGNIN(1'b0),
			.ACOUT(), .BCOUT(), .CARRYCASCOUT(), .MULTSIGNOUT(), .CARRYOUT(), .XOROUT(),
			.OVERFLOW(), .UNDERFLOW(), .PATTERNDETECT(), .PATTERNBDETECT()
		);
	end : gen58
	else begin : genAny
		uwire signed [W_PORT-1:0]  d1, a1;
		uwire signed [A_PORT-1:0]  b1;
		imec_delay #(.WIDTH(2*W_PORT + A_PORT), .STEPS(32'(LATE))) late(.clk, .en, .d({ d, a, b }), .q({ d1, a1, b1 }));
		logic signed [W_PORT-1:0]  AD;
		logic signed [A_PORT-1:0]  B;
		logic signed [W_PORT+A_PORT-1:0]  M;
		logic [P_BITS-1:0]  P;
		always_ff @(posedge clk) begin
			if(en) begin
				AD <= d1 - a1;
				B  <= b1;
				M  <= AD * B;
				P  <= P_BITS'(M) + (HEAD? C : pcin);
			end
		end
		assign	p = P;
		assign	pcout = P;
	end : genAny

endmodule : imec_dsp48
