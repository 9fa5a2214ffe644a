// imec_mux as a stream: words and selection in, word out.
module imec_mux_tb #(
	int unsigned  PRIMITIVES = 0,
	int unsigned  N,
	int unsigned  WIDTH,
	localparam int unsigned  BITS = N > 1? $clog2(N) : 1
)(
	input	logic  ap_clk,
	input	logic  ap_rst_n,

	input	logic  in0_V_TVALID,
	output	logic  in0_V_TREADY,
	input	logic [N*WIDTH+BITS-1:0]  in0_V_TDATA,

	output	logic  out0_V_TVALID,
	input	logic  out0_V_TREADY,
	output	logic [WIDTH-1:0]  out0_V_TDATA
);
	assign	out0_V_TVALID = in0_V_TVALID;
	assign	in0_V_TREADY = out0_V_TREADY;

	imec_mux #(.PRIMITIVES(PRIMITIVES), .N(N), .WIDTH(WIDTH)) dut(.sel(in0_V_TDATA[BITS-1:0]), .d(in0_V_TDATA[BITS +: N*WIDTH]), .q(out0_V_TDATA));

endmodule : imec_mux_tb
