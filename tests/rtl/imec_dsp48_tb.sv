// imec_dsp48 as a stream: { pcin, b, a, d } in, p out.
module imec_dsp48_tb import imec_pkg::*; #(
	int unsigned  PRIMITIVES = 0,
	int unsigned  VERSION,
	localparam int unsigned  W = dsp_w_bits(VERSION),
	localparam int unsigned  A = dsp_a_bits(VERSION),
	localparam int unsigned  P = dsp_p_bits(VERSION),
	parameter bit  HEAD,
	bit  LATE,
	logic [P-1:0]  C
)(
	input	logic  ap_clk,
	input	logic  ap_rst_n,

	input	logic  in0_V_TVALID,
	output	logic  in0_V_TREADY,
	input	logic [2*W+A+P-1:0]  in0_V_TDATA,

	output	logic  out0_V_TVALID,
	input	logic  out0_V_TREADY,
	output	logic [P-1:0]  out0_V_TDATA
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

	uwire [P-1:0]  pcin;
	imec_delay #(.WIDTH(P), .STEPS(STEPS-1)) cascade(.clk(ap_clk), .en, .d(in0_V_TDATA[2*W+A +: P]), .q(pcin));
	imec_dsp48 #(.PRIMITIVES(PRIMITIVES), .VERSION(VERSION), .HEAD(HEAD), .LATE(LATE), .C(C)) dut(
		.clk(ap_clk), .en,
		.d(in0_V_TDATA[0 +: W]), .a(in0_V_TDATA[W +: W]), .b(in0_V_TDATA[2*W +: A]),
		.pcin, .p(out0_V_TDATA), .pcout()
	);

endmodule : imec_dsp48_tb
