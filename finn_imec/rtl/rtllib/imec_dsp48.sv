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
 ***************************************************************************/
module imec_dsp48 import imec_pkg::*; #(
	bit  HEAD,
	bit  LATE,
	logic [47:0]  C = 0,
	int unsigned  PRIMITIVES = XILINX
)(
	input	logic  clk,

	input	logic  en,
	input	logic signed [24:0]  d,
	input	logic signed [24:0]  a,
	input	logic signed [17:0]  b,
	input	logic [47:0]  pcin,
	output	logic [47:0]  p,
	output	logic [47:0]  pcout
);
	if(PRIMITIVES == XILINX) begin : genXilinx
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
	else begin : genAny
		uwire signed [24:0]  d1, a1;
		uwire signed [17:0]  b1;
		imec_delay #(.WIDTH(68), .STEPS(32'(LATE))) late(.clk, .en, .d({ d, a, b }), .q({ d1, a1, b1 }));
		logic signed [24:0]  AD;
		logic signed [17:0]  B;
		logic signed [42:0]  M;
		logic [47:0]  P;
		always_ff @(posedge clk) begin
			if(en) begin
				AD <= d1 - a1;
				B  <= b1;
				M  <= AD * B;
				P  <= 48'(M) + (HEAD? C : pcin);
			end
		end
		assign	p = P;
		assign	pcout = P;
	end : genAny

endmodule : imec_dsp48
