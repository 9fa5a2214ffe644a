// imec_lut6x2 as a stream: i in, { o5, o6 } out.
module imec_lut6x2_tb #(
	int unsigned  PRIMITIVES = 0,
	logic [63:0]  INIT
)(
	input	logic  ap_clk,
	input	logic  ap_rst_n,

	input	logic  in0_V_TVALID,
	output	logic  in0_V_TREADY,
	input	logic [6-1:0]  in0_V_TDATA,

	output	logic  out0_V_TVALID,
	input	logic  out0_V_TREADY,
	output	logic [2-1:0]  out0_V_TDATA
);
	assign	in0_V_TREADY  = out0_V_TREADY;
	assign	out0_V_TVALID = in0_V_TVALID;

	imec_lut6x2 #(.PRIMITIVES(PRIMITIVES), .INIT(INIT)) dut(.i(in0_V_TDATA), .o6(out0_V_TDATA[0]), .o5(out0_V_TDATA[1]));

endmodule : imec_lut6x2_tb
