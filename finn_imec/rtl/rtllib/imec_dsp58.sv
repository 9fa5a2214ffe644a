/****************************************************************************
 * @brief	One DSP58 of a multiply-add cascade, as a dot product of three.
 *
 * @description
 *	p = a[0]*w[0] + a[1]*w[1] + a[2]*w[2] + (HEAD? C : pcin)
 *
 *	with a, w from 3 steps before, 4 if LATE, and pcin from one step before. A step is
 *	a cycle with en high. All registers are inside the slice, in its mode INT8:
 *
 *	  a -[LATE]--|A|---+
 *	                   * --|M|--+
 *	  w -[LATE]--|B|---+        + --|P|--> p, pcout
 *	                   C or pcin ---+
 *
 *	pcout drives only the pcin of the next slice.
 ***************************************************************************/
module imec_dsp58 import imec_pkg::*; #(
	bit  HEAD,
	bit  LATE,
	logic [57:0]  C = 0,
	int unsigned  PRIMITIVES = XILINX
)(
	input	logic  clk,

	input	logic  en,
	input	logic signed [2:0][8:0]  a,
	input	logic signed [2:0][7:0]  w,
	input	logic [57:0]  pcin,
	output	logic [57:0]  p,
	output	logic [57:0]  pcout
);
	if(PRIMITIVES == XILINX) begin : genXilinx
		DSP58 #(
			.DSP_MODE("INT8"),
			.AMULTSEL("A"), .BMULTSEL("B"), .PREADDINSEL("A"), .USE_MULT("MULTIPLY"),
			.AREG(1 + 32'(LATE)), .ACASCREG(1 + 32'(LATE)), .DREG(0), .ADREG(0),
			.BREG(1 + 32'(LATE)), .BCASCREG(1 + 32'(LATE)), .MREG(1), .PREG(1), .CREG(0),
			.ALUMODEREG(0), .CARRYINREG(0), .CARRYINSELREG(0), .INMODEREG(0), .OPMODEREG(0)
		) slice(
			.CLK(clk),
			.INMODE(5'b00000),	// A2, B2
			.OPMODE(HEAD? 9'b00_011_01_01 : 9'b00_001_01_01),	// product + C or PCIN
			.ALUMODE(4'b0000), .CARRYIN(1'b0), .CARRYINSEL(3'b000),
			.NEGATE(3'b000), .ASYNC_RST(1'b0),
			.A({ 7'b0, a }), .B(w), .C(C), .D('0),
			.P(p), .PCIN(pcin), .PCOUT(pcout),
			.CEA1(en), .CEA2(en), .CED(1'b0), .CEAD(1'b0), .CEB1(en), .CEB2(en), .CEM(en), .CEP(en),
			.CEALUMODE(1'b0), .CEC(1'b0), .CECARRYIN(1'b0), .CECTRL(1'b0), .CEINMODE(1'b0),
			.RSTA(1'b0), .RSTB(1'b0), .RSTC(1'b0), .RSTD(1'b0), .RSTM(1'b0), .RSTP(1'b0),
			.RSTALLCARRYIN(1'b0), .RSTALUMODE(1'b0), .RSTCTRL(1'b0), .RSTINMODE(1'b0),
			.ACIN('0), .BCIN('0), .CARRYCASCIN(1'b0), .MULTSIGNIN(1'b0),
			.ACOUT(), .BCOUT(), .CARRYCASCOUT(), .MULTSIGNOUT(), .CARRYOUT(), .XOROUT(),
			.OVERFLOW(), .UNDERFLOW(), .PATTERNDETECT(), .PATTERNBDETECT()
		);
	end : genXilinx
	else begin : genAny
		function automatic logic signed [18:0] product(input logic signed [8:0]  x, input logic signed [7:0]  y);
			return  x * y;
		endfunction : product

		uwire [2:0][8:0]  a1;
		uwire [2:0][7:0]  w1;
		imec_delay #(.WIDTH(51), .STEPS(32'(LATE))) late(.clk, .en, .d({ a, w }), .q({ a1, w1 }));
		logic [2:0][8:0]  A;
		logic [2:0][7:0]  B;
		logic signed [18:0]  M;
		logic [57:0]  P;
		always_ff @(posedge clk) begin
			if(en) begin
				A <= a1;
				B <= w1;
				M <= product(A[0], B[0]) + product(A[1], B[1]) + product(A[2], B[2]);
				P <= 58'(M) + (HEAD? C : pcin);
			end
		end
		assign	p = P;
		assign	pcout = P;
	end : genAny

endmodule : imec_dsp58
