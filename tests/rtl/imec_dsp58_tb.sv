// imec_dsp58 as a stream: { pcin, w, a } in, p out.
module imec_dsp58_tb #(
	int unsigned  PRIMITIVES = 0,
	bit  HEAD,
	bit  LATE,
	logic [57:0]  C
)(
	input	logic  ap_clk,
	input	logic  ap_rst_n,

	input	logic  in0_V_TVALID,
	output	logic  in0_V_TREADY,
	input	logic [27+24+58-1:0]  in0_V_TDATA,

	output	logic  out0_V_TVALID,
	input	logic  out0_V_TREADY,
	output	logic [57:0]  out0_V_TDATA
);
	localparam int unsigned  STEPS = 3 + 32'(LATE);
	logic [STEPS-1:0]  Vld = 0;
	uwire  en = !Vld[STEPS-1] || out0_V_TREADY;
	always_ff @(posedge ap_clk) begin
		if(!ap_rst_n)  Vld <= 0;
		else if(en)    Vld <= STEPS'({ Vld, in0_V_TVALID });
	end
	assign	out0_V_TVALID = Vld[STEPS-1];
	assign	in0_V_TREADY = en;

	uwire [57:0]  pcin;
	imec_delay #(.WIDTH(58), .STEPS(STEPS-1)) cascade(.clk(ap_clk), .en, .d(in0_V_TDATA[51 +: 58]), .q(pcin));
	imec_dsp58 #(.PRIMITIVES(PRIMITIVES), .HEAD(HEAD), .LATE(LATE), .C(C)) dut(
		.clk(ap_clk), .en,
		.a(in0_V_TDATA[0 +: 27]), .w(in0_V_TDATA[27 +: 24]),
		.pcin, .p(out0_V_TDATA), .pcout()
	);

endmodule : imec_dsp58_tb
