// imec_lut6 as a stream: i in, o out.
module imec_lut6_tb #(
	int unsigned  PRIMITIVES = 0,
	logic [63:0]  INIT
)(
	input	logic  ap_clk,
	input	logic  ap_rst_n,

	input	logic  in0_V_TVALID,
	output	logic  in0_V_TREADY,
	input	logic [5:0]  in0_V_TDATA,

	output	logic  out0_V_TVALID,
	input	logic  out0_V_TREADY,
	output	logic  out0_V_TDATA
);
	assign	in0_V_TREADY  = out0_V_TREADY;
	assign	out0_V_TVALID = in0_V_TVALID;

	imec_lut6 #(.PRIMITIVES(PRIMITIVES), .INIT(INIT)) dut(.i(in0_V_TDATA), .o(out0_V_TDATA));

endmodule : imec_lut6_tb
